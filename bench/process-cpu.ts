import { readFileSync } from 'node:fs'

/** Linux counts the time of processes in hundredths of a second for whoever reads /proc, whatever its own clock. */
const MICROS_PER_TICK = 10_000
/** Fields of /proc/<pid>/stat behind the command's name, which may hold blanks itself. */
const USER = 11
const SYSTEM = 12

/** CPU time of a process we did not start as one of ours, all threads, user and system: microseconds; NaN where that cannot be read. */
export function cpuMicrosOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[USER]) + Number(fields[SYSTEM])) * MICROS_PER_TICK
  } catch {
    return Number.NaN
  }
}
