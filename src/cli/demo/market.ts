import { writeFile } from 'node:fs/promises'
import { currencyOf, formatUnits } from '../../interface/index.ts'
import { type Context, loadNode } from '../context.ts'
import { Child, type ChildEvent } from './child.ts'
import type { DemoFolder } from './folder.ts'
import { type DemoRail, demoProducts } from './products.ts'

/** The whole market, from nothing to verified receipts: far more than it needs on a slow machine. */
const MARKET_TIMEOUT_MS = 180_000

interface BoughtProduct {
  records: number
  due: string
  paid: string
  resolvedThrough?: string
  firstRecordMs?: number
}

/** What was measured. Amounts in whole tokens as decimal strings. */
export interface MarketSummary {
  processes: number
  listingsFound: number
  records: number
  due: string
  paid: string
  claimed: string
  receipts: Array<{ file: string; verified: boolean }>
  resolvedThrough: string | undefined
  transactions: string[]
  firstRecordMs: number
  totalMs: number
}

/** Four processes that know of each other what the network profile says, and nothing else. */
export class Market {
  readonly #folder: DemoFolder
  readonly #context: Context
  readonly #rail: DemoRail
  #explorer: string | undefined
  readonly #children: Child[] = []
  readonly #transactions: string[] = []
  readonly #bought: BoughtProduct[] = []
  readonly #found = new Set<unknown>()
  readonly #receipts: string[] = []
  readonly #progress = new Map<string, string>()

  constructor(folder: DemoFolder, context: Context, rail: DemoRail) {
    this.#rail = rail
    this.#folder = folder
    this.#context = context
  }

  /** Rejects when one of the processes ends without being told to. */
  get failed(): Promise<never> {
    return Promise.race(this.#children.map(({ failed }) => failed))
  }

  /** Starts the processes, sells, buys, claims and verifies. */
  async run(): Promise<MarketSummary> {
    const { output } = this.#context
    const startedAt = performance.now()
    const signal = AbortSignal.any([this.#context.signal, AbortSignal.timeout(MARKET_TIMEOUT_MS)])
    const { profile, products, home, records, receipts } = this.#folder

    const chain = this.#start('chain', ['chain', '--home', home('chain'), '--profile', profile])
    const { rpc, chainId } = await chain.event('ready', signal)
    output.note(`chain      ${rpc} (chain ${chainId}, contracts deployed)`)

    if (this.#rail === 'iota') await this.#startLedger(signal)
    const bootstrap = this.#start('bootstrap', ['bootstrap', ...this.#peer('bootstrap')])
    output.note(`bootstrap  ${(await bootstrap.event('ready', signal)).peerId}`)

    await writeFile(products, JSON.stringify(demoProducts(this.#rail), null, 2))
    const seller = this.#start('seller', ['sell', '--config', products, ...this.#peer('seller')])
    output.note(`seller     ${(await seller.event('ready', signal)).peerId}`)

    const files = ['--records', records, '--receipts', receipts]
    const buyer = this.#start('buyer', ['demo-buyer', ...files, ...this.#peer('buyer')])
    output.note(`buyer      ${(await buyer.event('ready', signal)).peerId}, given no address of the seller`)
    await Promise.race([buyer.event('done', signal), this.failed])

    seller.request('claim')
    const claimed = await seller.event('claimed', signal)
    const paidByTransfer = this.#rail === 'iota'
    this.#transactions.push(...((paidByTransfer ? claimed.receivedIn : claimed.transactions) as string[]))
    const verified = await this.#verify(signal)
    const arrived = String(paidByTransfer ? claimed.received : claimed.claimed)
    return this.#summary(arrived, verified, performance.now() - startedAt)
  }

  /** A node for whoever started the market; resolves with the address of its page. */
  async open(): Promise<string | undefined> {
    const { signal } = this.#context
    const me = this.#start('me', ['start', ...this.#peer('me')])
    const { page } = await me.event('ready', signal)
    return typeof page === 'string' ? page : undefined
  }

  /** Where people look at a transaction: a page of the ledger, if it has one. */
  #linkTo(transaction: string): string {
    const base = this.#explorer
    return base === undefined || transaction.startsWith('0x') ? transaction : `${base}/transaction/${transaction}`
  }

  /** The ledger that payments go over, named in the profile as on any other network. */
  async #startLedger(signal: AbortSignal): Promise<void> {
    const { profile: file, home } = this.#folder
    const ledger = this.#start('ledger', ['iota-ledger', '--home', home('ledger')])
    const { rpc, faucet, chainIdentifier } = await ledger.event('ready', signal)
    const { readProfile, writeProfile } = await loadNode()
    const profile = await readProfile(file, { signal })
    const iota = { chainIdentifier: String(chainIdentifier), rpcUrl: String(rpc), faucetUrl: String(faucet) }
    await writeProfile(file, { ...profile, iota }, { signal })
    this.#explorer = String(rpc)
    this.#context.output.note(`ledger     ${rpc} (IOTA network ${chainIdentifier})`)
  }

  /** In the order in which they need each other. */
  async stop(): Promise<void> {
    for (const child of [...this.#children].reverse()) await child.stop()
  }

  #peer(name: string): string[] {
    const { home, profile } = this.#folder
    return ['--home', home(name), '--network', profile, '--listen', '/ip4/127.0.0.1/tcp/0', '--insecure-dev-keys']
  }

  #start(name: string, args: string[]): Child {
    const child = new Child({ name, args, log: this.#folder.log(name), onEvent: (event) => this.#onEvent(event) })
    this.#children.push(child)
    return child
  }

  #onEvent(event: ChildEvent): void {
    const { output } = this.#context
    switch (event.event) {
      case 'listed':
        if (typeof event.transaction === 'string') this.#transactions.push(event.transaction)
        return output.note(`on sale    ${event.title}`)
      case 'found':
        this.#found.add(event.listing)
        return output.note(`found      "${event.words}": ${event.title}`)
      case 'progress':
        this.#progress.set(String(event.title), progressLine(event))
        return output.progress(...this.#progress.values())
      case 'bought':
        this.#bought.push(event as unknown as BoughtProduct)
        return output.note(`bought     ${event.title}: ${event.records} records`)
      case 'receipt':
        this.#receipts.push(String(event.file))
    }
  }

  /** Payments by transactions are looked up. */
  get #onLedger(): string[] {
    return this.#rail === 'iota' ? ['--onledger', '--network', this.#folder.profile] : []
  }

  /** By the command itself, in a process that has no home; of the network it is told only where there is something to look up. */
  async #verify(signal: AbortSignal): Promise<MarketSummary['receipts']> {
    const verified = new Set<unknown>()
    const verifier = new Child({
      name: 'verifier',
      args: ['receipts', 'verify', ...this.#receipts, ...this.#onLedger],
      log: this.#folder.log('verifier'),
      onEvent: ({ file, verified: good }) => {
        if (good === true) verified.add(file)
      }
    })
    await verifier.ended(signal)
    return this.#receipts.map((file) => ({ file, verified: verified.has(file) }))
  }

  async #summary(claimed: string, receipts: MarketSummary['receipts'], totalMs: number): Promise<MarketSummary> {
    const { readProfile } = await loadNode()
    const { decimals } = currencyOf(await readProfile(this.#folder.profile), this.#rail)
    const bought = this.#bought
    const sum = (amounts: string[]): string =>
      formatUnits(
        amounts.reduce((total, amount) => total + BigInt(amount), 0n),
        decimals
      )
    // The connection of the first purchase serves the other one, which then asks no DHT.
    const through = bought.map(({ resolvedThrough }) => resolvedThrough)
    return {
      processes: this.#children.filter(({ running }) => running).length,
      listingsFound: this.#found.size,
      records: bought.reduce((total, { records }) => total + records, 0),
      due: sum(bought.map(({ due }) => due)),
      paid: sum(bought.map(({ paid }) => paid)),
      claimed,
      receipts,
      resolvedThrough: through.find((way) => way === 'dht') ?? through[0],
      transactions: this.#transactions.map((transaction) => this.#linkTo(transaction)),
      firstRecordMs: Math.round(Math.min(...bought.map(({ firstRecordMs }) => firstRecordMs ?? totalMs))),
      totalMs: Math.round(totalMs)
    }
  }
}

function progressLine({ title, records, rate, paid, risk }: ChildEvent): string {
  const speed = Number(rate).toFixed(1).padStart(8)
  return `${String(title).padEnd(32)}${String(records).padStart(6)} records ${speed}/s  paid ${paid}  at risk ${risk}`
}
