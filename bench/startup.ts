import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createNode } from '../src/index.ts'
import { startMarket } from './market.ts'

/** What a user waits for: the help text, a node's start, the first paid record from a peer ID. */
const RUNS = 5
const execute = promisify(execFile)

export async function run(arguments_: string[]): Promise<void> {
  const json = arguments_.includes('--json')
  const directory = await mkdtemp(join(tmpdir(), 'ddm-bench-'))
  const closers: Array<() => Promise<unknown>> = [() => rm(directory, { recursive: true, force: true })]
  const print = (row: Record<string, string | number | boolean>): void => {
    process.stdout.write(
      json
        ? `${JSON.stringify(row)}\n`
        : `${Object.entries(row)
            .map(([k, v]) => `${k} ${v}`)
            .join('  ')}\n`
    )
  }
  try {
    const compiled = existsSync(new URL('../dist/lib/ddm.js', import.meta.url))
    const entry = compiled ? 'dist/lib/ddm.js' : 'bin/ddm.js'
    print({
      bench: 'startup',
      what: 'ddm --help',
      compiled,
      ms: await median(() => execute(process.execPath, [entry, '--help']))
    })
    print({
      bench: 'startup',
      what: 'node -e 0',
      reference: true,
      ms: await median(() => execute(process.execPath, ['-e', '0']))
    })
    const { seller, profile, config } = await startMarket(directory, closers)
    const sell = {
      type: 'sell',
      title: 'startup',
      price: '0.0001',
      records: 100,
      recordBytes: 200,
      invoicing: 'strict',
      credit: 1_000_000n
    }
    const { listing } = await seller.ask<{ listing: string }>(sell)
    let home = 0
    let firstRecordMs = 0
    const started = await median(async () => {
      const at = performance.now()
      const node = await createNode({
        home: join(directory, `buyer-${home++}`),
        network: profile,
        insecureDevKeys: true,
        config
      })
      const ready = performance.now() - at
      await node.listings.synced()
      const found = await node.listings.get(listing)
      const purchase = node.buy(found, { records: 10, max: '1' })
      for await (const _ of purchase);
      firstRecordMs = (await purchase.done).firstRecordMs ?? 0
      await node.stop()
      return ready
    })
    print({ bench: 'startup', what: 'node start', ms: started })
    print({ bench: 'startup', what: 'peer ID to first paid record', ms: Math.round(firstRecordMs) })
  } finally {
    for (const close of closers.reverse()) await close()
  }
}

/** Median of RUNS, in ms: of what `work` returns as a number, else of how long it took. */
async function median(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < RUNS; i++) {
    const at = performance.now()
    const result = await work()
    times.push(typeof result === 'number' ? result : performance.now() - at)
  }
  return Math.round(times.sort((a, b) => a - b)[Math.floor(RUNS / 2)] ?? 0)
}
