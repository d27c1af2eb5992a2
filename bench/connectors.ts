import { performance } from 'node:perf_hooks'
import type { Case, Closers, Connector } from './connectors/case.ts'

/**
 * npm run bench -- connectors [files|processes|http|mqtt|nats|postgres…] [--json]: records per second of each source and sink beside the bare
 * client library on the same server, in turns.
 */
const CONNECTORS: Record<string, () => Promise<Connector>> = {
  files: async () => (await import('./connectors/files.ts')).fileCases,
  processes: async () => (await import('./connectors/processes.ts')).processCases,
  http: async () => (await import('./connectors/http.ts')).httpCases,
  mqtt: async () => (await import('./connectors/mqtt.ts')).mqttCases,
  nats: async () => (await import('./connectors/nats.ts')).natsCases,
  postgres: async () => (await import('./connectors/postgres.ts')).postgresCases
}

const RECORDS = 20_000
const ROUNDS = 3

export async function run(arguments_: string[]): Promise<void> {
  const json = arguments_.includes('--json')
  const wanted = arguments_.filter((word) => word in CONNECTORS)
  if (!json) process.stdout.write(`${RECORDS} records of 200 bytes; records/s, medians of ${ROUNDS} runs in turns\n`)
  for (const [name, load] of Object.entries(CONNECTORS)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue
    const closers: Array<() => unknown> = []
    const close: Closers = {
      after: (closer) => closers.push(closer),
      skip: (text) => process.stderr.write(`${text}\n`)
    }
    try {
      const cases = await load()
      for await (const one of cases(close, RECORDS)) {
        const row = await measure(one)
        process.stdout.write(json ? `${JSON.stringify(row)}\n` : line(row))
      }
    } finally {
      for (const closer of closers.reverse()) await closer()
    }
  }
}

type Row = Record<'bench' | 'connector', string> & Record<'records' | 'perSecond' | 'barePerSecond' | 'ratio', number>

async function measure({ name, prepare, ours, bare }: Case): Promise<Row> {
  const perSecond = async (act: (round: number) => Promise<void>, round: number): Promise<number> => {
    await prepare(round)
    const start = performance.now()
    await act(round)
    return (RECORDS * 1_000) / (performance.now() - start)
  }
  const figures: { ours: number[]; bare: number[] } = { ours: [], bare: [] }
  // The first round of each is not measured.
  for (let round = 0; round <= ROUNDS; round++) {
    const bareFigure = await perSecond(bare, round * 2)
    const oursFigure = await perSecond(ours, round * 2 + 1)
    if (round === 0) continue
    figures.bare.push(bareFigure)
    figures.ours.push(oursFigure)
  }
  const [own, reference] = [median(figures.ours), median(figures.bare)]
  return {
    bench: 'connectors',
    connector: name,
    records: RECORDS,
    perSecond: Math.round(own),
    barePerSecond: Math.round(reference),
    ratio: Number((own / reference).toFixed(2))
  }
}

function median(figures: number[]): number {
  return figures.sort((a, b) => a - b)[figures.length >> 1] ?? 0
}

function line({ connector, perSecond, barePerSecond, ratio }: Row): string {
  return `${connector.padEnd(20)} ${String(perSecond).padStart(8)}  bare ${String(barePerSecond).padStart(8)}  ratio ${ratio.toFixed(2)}\n`
}
