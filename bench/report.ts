import type { FanOutPhase, FanOutSample } from './benchmarks/fan-out.js'
import type { IdleSample } from './benchmarks/idle.js'
import type { RelayPhase, RelaySample } from './benchmarks/relay.js'
import { INNERLINE, RAW } from './contenders.js'
import type { Scale } from './scale.js'
import { pick, type Samples, table } from './table.js'

const percent = (share: number): number => share * 100

const busy = [
  { title: 'server busy %', value: ({ serverBusy }: { serverBusy: number }) => percent(serverBusy), digits: 0 },
  { title: 'generator busy %', value: ({ generatorBusy }: { generatorBusy: number }) => percent(generatorBusy), digits: 0 },
]

const relayCost = (phase: RelayPhase): number => phase.cpuMicrosPerMessage
const fanOutCost = (phase: FanOutPhase): number => phase.cpuMicrosPerDelivery

/** The relay benchmark as Markdown. */
export function reportRelay(samples: Samples<RelaySample>, scale: Scale): string {
  const comparison = { reference: RAW, aim: { of: INNERLINE, value: relayCost, atMost: 2, what: 'CPU per message' } }
  const cost = { title: 'CPU µs/message', value: relayCost, digits: 1 }
  const rate = { title: 'messages/s', value: (phase: RelayPhase) => phase.perSecond, digits: 0 }
  const latency = [
    { title: 'p50 ms', value: (phase: RelayPhase) => phase.p50Ms, digits: 2 },
    { title: 'p99 ms', value: (phase: RelayPhase) => phase.p99Ms, digits: 2 },
  ]
  return [
    `## relay: send → receive → ack, ${scale.pairs} pairs`,
    `### At ${scale.relayPerSecond} messages/s in all`,
    table(pick(samples, 'paced'), [cost, ...latency, ...busy], comparison),
    `### As fast as it goes, ${scale.inFlightPerPair} in flight per pair`,
    table(pick(samples, 'saturated'), [cost, rate, ...latency, ...busy], comparison),
  ].join('\n\n')
}

/** The fan-out benchmark as Markdown. */
export function reportFanOut(samples: Samples<FanOutSample>, scale: Scale): string {
  const cost = { title: 'CPU µs/delivery', value: fanOutCost, digits: 2 }
  const rate = { title: 'deliveries/s', value: (phase: FanOutPhase) => phase.deliveriesPerSecond, digits: 0 }
  const everyone = { title: 'to everyone, p50 ms', value: (phase: FanOutPhase) => phase.everyoneP50Ms ?? Number.NaN, digits: 1 }
  return [
    `## fan-out: one conversation, ${scale.members} connected members`,
    `### Under load, ${scale.fanOutInFlight} messages in flight`,
    table(pick(samples, 'loaded'), [cost, rate, ...busy], {
      reference: RAW,
      aim: { of: INNERLINE, value: fanOutCost, atMost: 0.5, what: 'CPU per delivery' },
    }),
    '### One message at a time: nothing to coalesce, no aim',
    table(pick(samples, 'single'), [cost, everyone, ...busy], { reference: RAW }),
  ].join('\n\n')
}

/** The idle benchmark as Markdown. */
export function reportIdle(samples: Samples<IdleSample>, scale: Scale): string {
  const rss = (sample: IdleSample): number => sample.rssPerConnection
  return [
    `## idle: ${scale.idleConnections} connections, authenticated and subscribed, ${scale.idleMs / 1000} s`,
    table(
      samples,
      [
        { title: 'RSS bytes/connection', value: rss, digits: 0 },
        { title: 'heap bytes/connection', value: (sample) => sample.heapPerConnection, digits: 0 },
        { title: 'CPU µs/connection/s', value: (sample) => sample.cpuMicrosPerConnectionSecond, digits: 2 },
      ],
      { reference: RAW, aim: { of: INNERLINE, value: rss, atMost: 1.5, what: 'RSS per connection' } },
    ),
  ].join('\n\n')
}
