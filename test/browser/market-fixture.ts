import { readFile } from 'node:fs/promises'
import type { TestContext } from 'node:test'
import { type Network, type Server, serve, startNetwork } from '../integration/cli-process.ts'

export interface Trader {
  /** Address of its page, with the token. */
  page: string
  api: string
  token: string
  server: Server
}

export interface Market {
  network: Network
  seller: Trader
  buyer: Trader
}

/** What the buyer's network profile names; there is nothing. */
export const EXPLORER = 'https://explorer.example/tx/'

/** A whole market: chain, bootstrap node, and two nodes that serve their pages; all processes of their own. */
export async function startMarket(t: Pick<TestContext, 'after'>): Promise<Market> {
  const network = await startNetwork()
  const started: Server[] = []
  t.after(async () => {
    for (const server of started.toReversed()) await server.stop()
    await network.close()
  })
  const { chain, ...rest } = JSON.parse(await readFile(network.profile, 'utf8')) as { chain: object }
  const explored = { ...rest, chain: { ...chain, explorer: `${EXPLORER}{transaction}` } }
  const profile = await network.file('explored.json', JSON.stringify(explored))
  const trader = async (name: string, ...more: string[]): Promise<Trader> => {
    const server = serve(['start', ...network.as(name), ...more])
    started.push(server)
    const { page, api } = await server.event('ready')
    const [, token = ''] = /#token=(.+)$/.exec(String(page)) ?? []
    return { page: String(page), api: String(api), token: decodeURIComponent(token), server }
  }
  return { network, seller: await trader('seller'), buyer: await trader('buyer', '--network', profile) }
}

/** A call of the API as a program makes it: what the page shows is held against it. */
export async function call<T>({ api, token }: Trader, method: string, path: string, body?: unknown): Promise<T> {
  const response = await fetch(new URL(path, api), {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' })
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
  return JSON.parse(text) as T
}
