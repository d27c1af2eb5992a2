import { writeFile } from 'node:fs/promises'
import type { StaticDecode } from 'typebox'
import type { AbortOptions, Listing, SearchQuery, SessionRecord } from '../../interface/index.ts'
import {
  type BuyOptions,
  type DdmNode,
  type Purchase,
  type Sale,
  type SellOptions,
  verifyReceipt
} from '../../node/index.ts'
import * as listings from '../operations/listings.ts'
import * as money from '../operations/money.ts'
import { getTotalExposure, listPeers } from '../operations/node.ts'
import * as purchases from '../operations/purchases.ts'
import * as sessions from '../operations/sessions.ts'
import type { Bought } from '../purchases.ts'
import type { NodeSchema } from '../schemas/node.ts'
import type { HttpClient } from './http.ts'
import { RemoteFollowing } from './remote-following.ts'
import { RemotePurchase } from './remote-purchase.ts'
import { sellThrough } from './remote-sale.ts'

type NodeFacts = StaticDecode<typeof NodeSchema>

/** A node that another process runs, as if it ran here. `stop` leaves it running, and ends what was sold and bought from here. */
export function remoteNode(client: HttpClient, facts: NodeFacts): DdmNode {
  const { peerId, home, account, profile, addresses, unconfirmedAddresses } = facts
  const nothing = {}
  /** What is sold by records from here: it ends with this process. */
  const sales = new Set<Sale>()

  const start = (
    target: { listing?: string; resume?: string },
    { signal, onEvent, ...options }: BuyOptions
  ): Purchase => {
    const started = client.call(purchases.startPurchase, {
      body: { ...target, keep: 'caller', options: options as never }
    }) as Promise<Bought>
    return new RemotePurchase(client, started, { signal, onEvent })
  }

  return {
    peerId,
    home,
    account,
    profile,
    addresses: () => [...addresses],
    unconfirmedAddresses: () => [...unconfirmedAddresses],
    peers: (options) => client.call(listPeers, nothing, options),
    listings: {
      search: (query, options) =>
        client.call(listings.searchListings, { query: wordsOf(query) }, options) as Promise<Listing[]>,
      facets: (query, options) => client.call(listings.countFacets, { query: wordsOf(query) }, options),
      get: (id, options) => client.call(listings.getListing, { params: { id } }, options) as Promise<Listing>,
      watch: (query, options) => watch(client, query, options),
      setStatus: async (id, status, options) => {
        await client.call(listings.setListingStatus, { params: { id }, body: { status } }, options)
      },
      synced: async (options) => {
        await client.call(listings.syncListings, nothing, options)
      }
    },
    exposure: (options) => client.call(getTotalExposure, nothing, options),
    menu: (peer, options) =>
      client.call(listings.getMenu, { params: { peer } }, options) as ReturnType<DdmNode['menu']>,
    quote: (listing, { signal, ...query } = {}) =>
      client.call(
        listings.quoteListing,
        { params: { id: typeof listing === 'string' ? listing : listing.id }, query },
        { ...(signal === undefined ? {} : { signal }) }
      ) as ReturnType<DdmNode['quote']>,
    buy: (listing, options = {}) => start({ listing: typeof listing === 'string' ? listing : listing.id }, options),
    follow: (followed, options) => new RemoteFollowing(client, followed, options),
    sell: async (options: SellOptions) => {
      const sale = await sellThrough(client, options)
      sales.add(sale)
      return sale
    },
    sessions: {
      selling: async (options) => (await client.call(sessions.listSelling, nothing, options)) as never,
      list: (options) => client.call(sessions.listSessions, nothing, options),
      get: (id, options) => client.call(sessions.getSession, { params: { id } }, options),
      statements: ({ id, role }, options) =>
        client.call(sessions.listStatements, { params: { id }, query: { role } }, options),
      moves: ({ id, role }, options) => client.call(sessions.listMoves, { params: { id }, query: { role } }, options),
      exposure: ({ id, role }: SessionRecord, options) =>
        client.call(sessions.getExposure, { params: { id }, query: { role } }, options),
      resume: async (id, options = {}) =>
        start({ resume: (await client.call(sessions.getSession, { params: { id } }, abortOf(options))).id }, options)
    },
    channels: {
      list: (options) => client.call(money.listChannels, nothing, options),
      withdraw: (id, amount, options) =>
        client.call(money.withdrawChannel, { params: { id }, body: amount === undefined ? {} : { amount } }, options),
      finish: (id, options) => client.call(money.finishChannel, { params: { id } }, options),
      refund: (id, options) => client.call(money.refundChannel, { params: { id } }, options)
    },
    claim: (options) => client.call(money.claim, nothing, options),
    receipts: {
      list: ({ signal, ...query } = {}) =>
        client.call(sessions.listReceipts, { query }, { ...(signal === undefined ? {} : { signal }) }),
      export: async (session, file, { signal, ...query } = {}) => {
        const abort = { ...(signal === undefined ? {} : { signal }) }
        const { bundle, ...rest } = await client.call(sessions.exportReceipt, { params: { id: session }, query }, abort)
        await writeFile(file, Buffer.from(bundle, 'base64'), { flush: true })
        return { ...(await verifyReceipt(file, abort)), ...rest }
      }
    },
    wallet: {
      balance: (options) => client.call(money.getBalance, nothing, options),
      arrived: (options) => client.call(money.listArrived, nothing, options),
      status: (options) => client.call(money.getWallet, nothing, options),
      freeze: async () => {
        await client.call(money.freezeWallet, nothing)
      },
      unfreeze: async () => {
        await client.call(money.unfreezeWallet, nothing)
      },
      setBudget: async (change) => {
        await client.call(money.setBudget, { body: change })
      }
    },
    stop: async () => {
      await Promise.allSettled([...sales].map((sale) => sale.stop()))
    }
  }
}

function wordsOf(query: string | SearchQuery | undefined): SearchQuery {
  return typeof query === 'string' ? { text: query } : (query ?? {})
}

function abortOf({ signal }: AbortOptions): AbortOptions {
  return signal === undefined ? {} : { signal }
}

async function* watch(
  client: HttpClient,
  query: string | SearchQuery | undefined,
  options: AbortOptions = {}
): ReturnType<DdmNode['listings']['watch']> extends AsyncIterable<infer E> ? AsyncGenerator<E> : never {
  for await (const { data } of client.events(listings.watchListings, { query: wordsOf(query) }, options)) {
    yield data as never
  }
}
