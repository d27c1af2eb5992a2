import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type ApiServer, type ApiServerInit, serveApi } from '../../src/api/server.ts'
import { DdmError, type Listing, type NetworkProfile } from '../../src/interface/index.ts'
import { LISTING_SCHEMA } from '../../src/node/index.ts'
import { tempDir } from '../support/temp-dir.ts'
import type { StrangersText } from './strangers-text.ts'

const BUILT = fileURLToPath(new URL('../../dist/web', import.meta.url))

const LISTINGS_PER_SEARCH = 200

const FIELDS = 8
const ROWS = 20

const ASSET = 'eip155:31337/erc20:0x5fc8d32690cc91d4c39d9d3abcbd16989f875707'
const ACCOUNT = `0x${'a'.repeat(40)}` as const
const PEER = '12D3KooWJRjWw11Bh6eaaovHd6EeaH15DeSkSuY5ekMZc4VG2kZW'
const DONE = {
  ...{ phase: 'closed', received: 0n, handled: 0n, due: 0n, paid: 0n, credited: 0n, pending: 0n, risk: 0n },
  ...{ signed: 0n, invoices: 0, payments: 0, rail: 'evm', resumes: 0, rate: 0, id: 'bafysession' },
  quality: { invalid: 0, failures: 0 }
}

/**
 * The API as the node serves it, with a market behind it that a node would never let in: every text in it is a
 * stranger's, whatever the registry says. Searching for a number gives that group of listings, purchase `3` that group of
 * records.
 */
export async function serveHostile(t: Pick<TestContext, 'after'>, texts: readonly StrangersText[]): Promise<ApiServer> {
  const raws = texts.map(({ raw }) => raw)
  const group = (number: number, size: number): string[] => raws.slice(number * size, (number + 1) * size)
  const listings = raws.map(listing)
  const node = {
    ...{ home: await tempDir(t), peerId: PEER, account: ACCOUNT, profile: profile(raws[0] ?? '') },
    addresses: () => raws,
    unconfirmedAddresses: () => raws,
    peers: async () =>
      raws.map((address) => ({ peerId: address, address, direction: 'inbound', since: 0, limited: false })),
    listings: {
      search: async ({ text }: { text?: string }) => listings.slice(...range(Number(text ?? 0), LISTINGS_PER_SEARCH)),
      facets: async ({ text }: { text?: string }) =>
        group(Number(text ?? 0), LISTINGS_PER_SEARCH).map((value) => ({ facet: 'keyword', value, count: 1 })),
      get: async (id: string) => {
        if (!/^0x[0-9]+$/.test(id)) throw new DdmError('notFound', `there is no ${raws[Number(id)]}`)
        return product(listings[Number(id.slice(2))], group(Number(id.slice(2)), LISTINGS_PER_SEARCH))
      },
      watch: (_query: unknown, { signal }: { signal: AbortSignal }) => ({
        [Symbol.asyncIterator]: () => ({ next: () => ended(signal) })
      })
    },
    quote: async () => ({ rail: 'evm', payment: listings[0]?.document.payment[0], fee: 0n }),
    sessions: {
      get: async () => {
        throw new DdmError('notFound', 'there is no such session')
      },
      list: async () => [],
      statements: async () => [],
      selling: async () => []
    }
  }
  const bought = (purchase: string, title: string) => ({
    ...{ purchase, title, listing: '0x00', keep: 'node', startedAt: 0, status: DONE },
    problem: { type: 'x', title: 'x', status: 500, code: 'internal', detail: title }
  })
  const purchases = {
    list: () => raws.map((title, index) => bought(`${index}`, title)),
    get: (purchase: string) => bought(purchase, raws[Number(purchase)] ?? ''),
    view: (purchase: string, onRecords: (records: unknown[]) => void) => {
      onRecords(records(group(Number(purchase), FIELDS * ROWS)))
      return () => {}
    }
  }
  const server = await serveApi({
    host: {
      ...{ node, purchases, products: { list: () => [] }, version: '1', listingSchema: LISTING_SCHEMA, startedAt: 0 },
      openApi: () => ({}),
      metrics: async () => ({ contentType: 'text/plain', text: '' })
    } as unknown as ApiServerInit['host'],
    listen: { address: '127.0.0.1', port: 0 },
    hosts: [],
    logger: { ...silent(), child: silent } as unknown as ApiServerInit['logger'],
    page: BUILT
  })
  t.after(() => server.stop())
  return server
}

/** The texts of a group as the page shows its records: the newest first. */
export function asRows<T>(texts: readonly T[]): T[] {
  const rows = Array.from({ length: ROWS }, (_, row) => texts.slice(row * FIELDS, (row + 1) * FIELDS))
  return rows.toReversed().flat()
}

export const TEXTS_PER_PURCHASE = FIELDS * ROWS

/** Nothing happens on this market. */
function ended(signal: AbortSignal): Promise<IteratorResult<never>> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve({ done: true, value: undefined }), { once: true })
  })
}

function range(number: number, size: number): [number, number] {
  return [number * size, (number + 1) * size]
}

function silent(): Record<string, () => void> {
  return { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
}

function records(values: readonly string[]): unknown[] {
  return Array.from({ length: ROWS }, (_, row) => {
    const fields = values.slice(row * FIELDS, (row + 1) * FIELDS).map((value, field) => [`field ${field}`, value])
    return { offset: BigInt(row), bytes: Buffer.from(JSON.stringify(Object.fromEntries(fields))) }
  })
}

function profile(name: string): NetworkProfile {
  const token = { address: ACCOUNT, symbol: 'tUSD', decimals: 6, name: 'Test', version: '1' }
  return { v: 1, name, chain: { id: 31337 }, tokens: [token], bootstrap: [] } as unknown as NetworkProfile
}

function listing(text: string, index: number): Listing {
  return {
    ...{ id: `0x${index}`, version: 1, cid: 'bafylisting', status: 'active', trust: 'confirmed', account: ACCOUNT },
    ...{ peerId: PEER, updatedAt: 0 },
    document: {
      ...{ v: 1, id: `0x${index}`, title: text, description: text, keywords: [text], language: [text] },
      seller: { peerId: PEER, name: text, contact: text },
      spatial: { place: text, point: [(index % 360) - 180, (index % 140) - 70] },
      temporal: { from: text, to: text },
      cadence: { mode: text as 'event' },
      instrument: { name: text },
      license: { spdx: text, url: text },
      access: { note: text },
      schema: { encoding: 'json', jsonSchema: { title: text, [text]: text } },
      payment: [{ rail: 'evm', asset: ASSET, price: { amount: '100', count: 1, unit: 'record' } }],
      issuedAt: text,
      ext: { [text]: text }
    }
  }
}

function product(one: Listing | undefined, texts: readonly string[]): Listing {
  if (one === undefined) throw new DdmError('notFound', 'there is no such listing')
  const variables = texts.map((text) => ({ path: text, name: text, ucum: text }))
  const sample = texts.map((text) => ({ value: text }))
  return { ...one, document: { ...one.document, variables, sample } }
}
