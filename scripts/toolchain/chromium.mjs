import { existsSync } from 'node:fs'
import { run } from './run.mjs'

const PLACES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/snap/bin/chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
]

/** Path of a Chromium on this machine, `CHROMIUM_PATH` first. */
export const findChromium = () => [process.env.CHROMIUM_PATH ?? '', ...PLACES].find((path) => path !== '' && existsSync(path))

/** Finds Chromium; under CI, as root on a Debian, installs it where there is none. Undefined where it cannot be had. */
export async function ensureChromium() {
  const found = findChromium()
  if (found !== undefined || !process.env.CI || process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return found
  console.log('innerline: installing chromium …')
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  const steps = [['update'], ['install', '--yes', '--no-install-recommends', 'chromium', 'fonts-noto-cjk']]
  for (const args of steps) {
    const { code, output } = await run('apt-get', args, { quiet: true, env })
    if (code !== 0) console.error(output)
  }
  return findChromium()
}
