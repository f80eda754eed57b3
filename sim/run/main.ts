import { playSeed } from './history.js'
const seed = Number(process.argv[2] ?? 7)
const n = Number(process.argv[3] ?? 1)
const trace = process.argv.includes('--trace')
const real = performance.now.bind(performance)
const main = async () => {
  const t0 = real()
  let steps = 0,
    virtual = 0,
    failed = 0
  for (let s = seed; s < seed + n; s++) {
    const lines: string[] = []
    const o = await playSeed(s, trace ? (l) => lines.push(l) : undefined)
    if (trace) console.log(lines.join('\n'))
    steps += o.steps
    virtual += o.virtualMs
    if (o.violations.length) {
      failed++
      console.log(
        `seed ${s}: ` +
          [...new Map(o.violations.map((v) => [v.rule, v])).values()]
            .map((v) => `${v.rule}: ${v.detail}`)
            .slice(0, 4)
            .join('\n    '),
      )
    }
    if (n === 1) console.log(o)
  }
  const ms = real() - t0
  console.log({ n, failed, seedsPerS: (n / ms) * 1000, steps: steps / n, virtualMin: virtual / n / 60000, usPerStep: (ms * 1000) / steps })
}
void main()
