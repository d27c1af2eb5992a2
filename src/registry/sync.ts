import {
  type AbortOptions,
  type ChainBlock,
  DdmError,
  type IndexStore,
  type Logger,
  type RegistryChain,
  type RegistryLog
} from '../interface/index.ts'
import { KEPT_BLOCKS, NEAR_HEAD, RANGE_BLOCKS } from './constants.ts'
import { Alarm, abortable, backoff, sleep } from './retry.ts'
import { type Checkpoint, type Step, sortable } from './tables.ts'

/**
 * How often a pass starts again because the chain moved while it was read, before it goes by block numbers alone, and as
 * often then; the pause grows by the second figure each time.
 */
const MOVES = 5
const MOVE_PAUSE_MS = 5

/** First wait after a failed pass; doubled up to the second figure, with jitter. */
const RETRY_MS = 250
const RETRY_MAX_MS = 30_000

/** Requests for single blocks' logs that are open at once. */
const LOGS_IN_FLIGHT = 8

/** The chain was reorganised between two of our reads; the pass starts again. */
class ChainMoved extends Error {}

export interface ContractSyncComponents {
  chain: RegistryChain
  index: IndexStore
  logger: Logger
}

export interface ContractSyncInit {
  fromBlock: bigint
  pollMs: number
  /** Called after each pass that changed something. */
  onChange: () => void
}

/**
 * Keeps the event table equal to the canonical chain (docs/specs/registry.md §5). One transaction per step holds the
 * rows of orphaned blocks, those of new ones, the derived heads and the checkpoint, so that no reader ever sees half a
 * reorganisation and a crash repeats at most one step.
 */
export class ContractSync {
  readonly #components: ContractSyncComponents
  readonly #init: ContractSyncInit
  #checkpoint: Checkpoint
  #running: Promise<void> | undefined
  #queued: Promise<void> | undefined
  readonly #stop = new AbortController()
  readonly #alarm = new Alarm()
  #loop: Promise<void> | undefined

  constructor(components: ContractSyncComponents, init: ContractSyncInit, checkpoint: Checkpoint) {
    this.#components = components
    this.#init = init
    this.#checkpoint = checkpoint
  }

  get checkpoint(): Checkpoint {
    return this.#checkpoint
  }

  start(): void {
    this.#loop ??= this.#run(this.#stop.signal)
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.allSettled([this.#loop, this.#running, this.#queued])
  }

  /** Asks for a pass soon; many calls make one pass. */
  trigger(): void {
    this.#alarm.wake()
  }

  /** One pass that starts after this call: afterwards the index has reached the head that the chain had at the call. */
  async pass(options: AbortOptions = {}): Promise<void> {
    this.#queued ??= (this.#running ?? Promise.resolve())
      .catch(() => {})
      .then(() => {
        this.#queued = undefined
        this.#running = this.#reach(this.#stop.signal)
        return this.#running
      })
    await abortable(this.#queued, options.signal)
  }

  async #run(stop: AbortSignal): Promise<void> {
    const { chain, logger } = this.#components
    const unlisten = chain.onHead(() => this.#alarm.wake())
    let failures = 0
    while (!stop.aborted) {
      try {
        await this.pass()
        failures = 0
        await this.#alarm.wait(this.#init.pollMs, stop)
      } catch (error) {
        if (stop.aborted) break
        const retryMs = backoff(failures++, RETRY_MS, RETRY_MAX_MS)
        logger.warn('registry sync failed', { error: String(error), retryMs })
        await sleep(retryMs, stop)
      }
    }
    unlisten()
  }

  async #reach(stop: AbortSignal): Promise<void> {
    for (let moves = 0; ; moves++) {
      try {
        const before = this.#checkpoint.hash
        while (!(await this.#step(moves >= MOVES, stop)));
        if (this.#checkpoint.hash !== before) this.#init.onChange()
        return
      } catch (error) {
        if (!(error instanceof ChainMoved) || moves >= 2 * MOVES) throw error
        await sleep(moves * MOVE_PAUSE_MS, stop)
      }
    }
  }

  /**
   * One transaction's worth of progress; true at the head. `byNumber` is for an endpoint that does not know the parent of
   * a block that it gave us: one of several that are not in step, or a development chain after a reorganisation.
   */
  async #step(byNumber: boolean, signal: AbortSignal): Promise<boolean> {
    const { chain } = this.#components
    const head = await chain.head({ signal })
    if (head.hash === this.#checkpoint.hash) return true

    if (byNumber || head.number > this.#checkpoint.number + NEAR_HEAD) {
      const ancestor = await this.#lastCommon(signal)
      const last = byNumber ? head.number : head.number - NEAR_HEAD
      const to = min(ancestor.number + RANGE_BLOCKS, last)
      if (to > ancestor.number) {
        await this.#range(ancestor, to, signal)
        return false
      }
      await this.#commit(ancestor, [], [], ancestor)
      if (ancestor.hash !== head.hash) throw new ChainMoved(`block ${head.number} has two hashes`)
      return true
    }

    const branch: ChainBlock[] = []
    let cursor = head
    while (!(await this.#isKnown(cursor))) {
      if (cursor.number === 0n) throw this.#otherGenesis(cursor.hash)
      branch.push(cursor)
      if (branch.length > 2 * Number(NEAR_HEAD)) {
        // Reorganised deeper than the walk goes: roll back by block number, then come up again in ranges.
        const ancestor = await this.#lastCommon(signal)
        await this.#commit(ancestor, [], [], ancestor)
        return false
      }
      const parent = await chain.block(cursor.parentHash, { signal })
      if (parent === undefined) throw new ChainMoved(`block ${cursor.parentHash} is gone`)
      cursor = parent
    }
    branch.reverse()
    const logs = await this.#logsOf(branch, signal)
    // Of a block that was orphaned meanwhile, an RPC may say that it has no logs.
    if ((await chain.block(head.number, { signal }))?.hash !== head.hash)
      throw new ChainMoved(`block ${head.hash} is gone`)
    await this.#commit(cursor, branch, logs, head)
    return true
  }

  async #logsOf(branch: ChainBlock[], signal: AbortSignal): Promise<RegistryLog[]> {
    const logs: RegistryLog[] = []
    for (let i = 0; i < branch.length; i += LOGS_IN_FLIGHT) {
      const some = branch.slice(i, i + LOGS_IN_FLIGHT)
      const found = await Promise.all(some.map(({ hash }) => this.#components.chain.logsOf(hash, { signal })))
      for (const [j, block] of some.entries()) {
        for (const log of found[j] ?? []) {
          if (log.blockHash !== block.hash) throw new ChainMoved(`logs of ${block.hash} came from ${log.blockHash}`)
          logs.push(log)
        }
      }
    }
    return logs
  }

  /** Reads `ancestor + 1 … to` as a range. The last block must be the same before and after, so must be its logs'. */
  async #range(ancestor: Checkpoint, to: bigint, signal: AbortSignal): Promise<void> {
    const { chain } = this.#components
    const from = ancestor.number + 1n
    const before = await chain.block(to, { signal })
    const first = from > this.#init.fromBlock ? from : this.#init.fromBlock
    const logs = first > to ? [] : await chain.logs(first, to, { signal })
    const after = await chain.block(to, { signal })
    if (before === undefined || before.hash !== after?.hash) throw new ChainMoved(`block ${to} changed`)
    for (const { blockNumber, blockHash } of logs) {
      if (blockNumber < first || blockNumber > to) throw new ChainMoved(`a log of block ${blockNumber} is out of range`)
      if (blockNumber === to && blockHash !== before.hash) throw new ChainMoved(`logs of block ${to} are of another`)
    }
    await this.#commit(ancestor, [before], logs, before)
  }

  /** Highest block that was applied and is still part of the chain, found by number. */
  async #lastCommon(signal: AbortSignal): Promise<Checkpoint> {
    const { chain, index } = this.#components
    let below = this.#checkpoint.number + 1n
    for (;;) {
      const [row] = await index.all<{ number: number; hash: string }>(
        'select number, hash from registry_block where number < ? order by number desc limit 1',
        [Number(below)],
        { signal }
      )
      if (row === undefined) throw this.#otherGenesis('another')
      const number = BigInt(row.number)
      const block = await chain.block(number, { signal })
      if (block?.hash === row.hash) return { number, hash: row.hash }
      if (number === 0n) throw this.#otherGenesis(block?.hash ?? 'none')
      below = number
    }
  }

  async #isKnown(block: ChainBlock): Promise<boolean> {
    const rows = await this.#components.index.all(
      'select 1 as known from registry_block where number = ? and hash = ?',
      [Number(block.number), block.hash]
    )
    return rows.length > 0
  }

  #otherGenesis(found: string): DdmError {
    const { chain } = this.#components
    return new DdmError(
      'networkMismatch',
      `the chain's genesis is ${found}, not ${chain.genesisHash}: the RPC now serves another chain; restart the node`
    )
  }

  async #commit(ancestor: Checkpoint, blocks: ChainBlock[], logs: RegistryLog[], tip: Checkpoint): Promise<void> {
    const { index, logger } = this.#components
    const orphaned = [Number(ancestor.number)]
    if (ancestor.hash !== this.#checkpoint.hash) {
      logger.info('registry sync rolls back', {
        from: this.#checkpoint.number.toString(),
        to: ancestor.number.toString()
      })
    }
    const steps: Step[] = [
      {
        sql: 'insert or ignore into registry_todo select distinct listing_id from registry_event where number > ?',
        params: orphaned
      },
      { sql: 'delete from registry_event where number > ?', params: orphaned },
      { sql: 'delete from registry_block where number > ?', params: orphaned },
      ...blocks.map(({ number, hash }) => ({
        sql: 'insert or replace into registry_block values (?, ?)',
        params: [Number(number), hash]
      })),
      ...logs.flatMap(eventSteps),
      ...DERIVE_HEADS,
      { sql: 'update registry_checkpoint set number = ?, hash = ?', params: [Number(tip.number), tip.hash] },
      {
        sql: `delete from registry_block where number > 0 and number < (select min(number) from (
          select number from registry_block order by number desc limit ?))`,
        params: [KEPT_BLOCKS]
      }
    ]
    await index.run(steps)
    this.#checkpoint = { number: tip.number, hash: tip.hash }
  }
}

function eventSteps(log: RegistryLog): Step[] {
  // Binding a wallet to a peer says nothing about a listing; its proof is not part of the log.
  if (log.event === 'PeerBound') return []
  const put = log.event === 'ListingPut' ? log : undefined
  return [
    {
      sql: 'insert or ignore into registry_event values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
      params: [
        log.blockHash,
        log.logIndex,
        Number(log.blockNumber),
        log.transactionHash,
        Number(log.timestamp),
        put === undefined ? 'status' : 'put',
        log.listingId,
        log.seller,
        log.version,
        put?.manifest ?? null,
        put?.token ?? null,
        put === undefined ? null : sortable(put.unitPrice),
        put?.unit ?? null,
        log.event === 'ListingStatus' ? log.status : null
      ]
    },
    { sql: 'insert or ignore into registry_todo values (?)', params: [log.listingId] }
  ]
}

/**
 * The current state of every touched listing: its last ListingPut, with the last status ever set (a new version of a
 * paused listing stays paused). Since orphaned rows are gone by now, this also restores what they had superseded.
 */
const DERIVE_HEADS: Step[] = [
  { sql: 'delete from registry_head where listing_id in (select listing_id from registry_todo)' },
  {
    sql: `insert into registry_head (listing_id, seller, version, manifest, token, unit_price, unit, posted, status,
        updated_at, tx, number, block_hash)
      select put.listing_id, put.seller, put.version, put.manifest, put.token, put.unit_price, put.unit,
        put.version || ' ' || put.manifest || ' ' || put.token || ' ' || put.unit_price || ' ' || put.unit,
        coalesce((select status from registry_event where listing_id = put.listing_id and kind = 'status'
          order by number desc, log_index desc limit 1), 'active'),
        (select max(timestamp) * 1000 from registry_event where listing_id = put.listing_id),
        put.tx, put.number, put.block_hash
      from registry_todo todo join registry_event put on put.rowid = (select rowid from registry_event
        where listing_id = todo.listing_id and kind = 'put' order by number desc, log_index desc limit 1)`
  }
]

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}
