import type {
  Block,
  BlockStore,
  ChannelSession,
  ChannelStore,
  Checkpoint,
  Grant,
  Hex,
  PayeeChannel,
  PayerChannel,
  SessionRecord,
  SessionStore,
  SignedStatement,
  SpendingStore,
  TranscriptPart,
  TrustRecord,
  TrustStore
} from '../../src/interface/index.ts'
import { DdmError, exposureOf } from '../../src/interface/index.ts'
import type { Process, World } from './world.ts'

interface Operation {
  write: boolean
  run: () => void
}

/** What one node keeps, as it would be found after a power loss. */
export class Disk {
  readonly #world: World
  #queue: Operation[] = []
  #flushing = false
  /** Slow disks make races wide. */
  slowness = 3

  readonly sessionRows = new Map<string, SessionRecord>()
  readonly statementRows = new Map<string, SignedStatement[]>()
  readonly partRows = new Map<string, Map<bigint, TranscriptPart>>()
  readonly checkpointRows = new Map<string, Checkpoint[]>()
  readonly payerRows = new Map<Hex, PayerChannel>()
  readonly payeeRows = new Map<Hex, PayeeChannel>()
  readonly channelSessions = new Map<string, ChannelSession>()
  readonly grants = new Map<string, Grant>()
  readonly trustRows = new Map<string, TrustRecord>()
  readonly spendingRows: Array<{ seller: string; session: string; at: number; amount: bigint }> = []
  readonly logs = new Map<string, { epoch: bigint; blocks: Block[]; head: bigint; finished: boolean }>()
  readonly violations = new Map<string, object>()
  /** Bytes of a sink's file that survive a power loss, and those that were only written. */
  readonly files = new Map<string, { synced: Uint8Array[]; written: Uint8Array[] }>()

  constructor(world: World) {
    this.#world = world
  }

  /** Power loss: of what was not synced some, in order, is there all the same. */
  crash(): void {
    const { random } = this.#world
    const waiting = this.#queue
    this.#queue = []
    const writes = waiting.filter(({ write }) => write)
    const kept = random.int(0, writes.length)
    for (const { run } of writes.slice(0, kept)) run()
    if (kept < writes.length) this.#world.fault('lostWrites')
    for (const file of this.files.values()) {
      const survived = random.int(0, file.written.length)
      if (survived < file.written.length) this.#world.fault('lostFileTail')
      file.synced.push(...file.written.splice(0, survived))
      file.written = []
    }
  }

  write(process: Process, apply: () => void): Promise<void> {
    return this.#add(process, true, apply)
  }

  read<T>(process: Process, get: () => T): Promise<T> {
    return this.#add(process, false, get)
  }

  /** In order; what waits is committed together. Of a process that died meanwhile nothing is asked any more. */
  #add<T>(process: Process, write: boolean, act: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!process.alive) return
      let result: T
      const run = (): void => {
        try {
          result = act()
        } catch (error) {
          reject(error as Error)
        }
      }
      this.#queue.push({ write, run })
      const answer = this.#queue.at(-1) as Operation & { answer?: () => void }
      answer.answer = () => {
        this.#world.current = process
        if (process.alive) resolve(result)
      }
      if (this.#flushing) return
      this.#flushing = true
      this.#world.after(this.#world.random.int(0, this.slowness), () => this.#flush())
    })
  }

  #flush(): void {
    this.#flushing = false
    const operations = this.#queue as Array<Operation & { answer?: () => void }>
    this.#queue = []
    for (const { run } of operations) run()
    for (const { answer } of operations) answer?.()
  }
}

/** The stores of a process on its disk: the same promises as those of src/storage. */
export function storesOf(disk: Disk, process: Process, invariant: (holds: boolean, what: string) => void) {
  const write = (apply: () => void): Promise<void> => disk.write(process, apply)
  const read = <T>(get: () => T): Promise<T> => disk.read(process, get)
  const at = (id: string, role: string): string => `${role} ${id}`

  const keep = (key: string, statements: readonly SignedStatement[]): void => {
    const rows = disk.statementRows.get(key) ?? []
    for (const statement of statements) {
      if (!rows.some(({ cid }) => cid === statement.cid)) rows.push(statement)
    }
    disk.statementRows.set(key, rows)
  }

  const sessions: SessionStore = {
    put: (session, { statements = [], replaces = [], parts = [], checkpoints = [] } = {}) => {
      const row = { ...session, checkpoint: { ...session.checkpoint } }
      const key = at(row.id, row.role)
      return write(() => {
        const { openedAt, credit: _credit } = disk.sessionRows.get(key) ?? row
        disk.sessionRows.set(key, { ...row, openedAt })
        const kept = (disk.statementRows.get(key) ?? []).filter(({ kind }) => !replaces.includes(kind))
        disk.statementRows.set(key, kept)
        keep(key, statements)
        const known = disk.partRows.get(key) ?? new Map<bigint, TranscriptPart>()
        for (const part of parts) known.set(part.first, { ...part })
        disk.partRows.set(key, known)
        disk.checkpointRows.set(key, [...(disk.checkpointRows.get(key) ?? []), ...checkpoints])
      })
    },
    get: (id, role) => read(() => disk.sessionRows.get(at(id, role))),
    list: (role) =>
      read(() => [...disk.sessionRows.values()].filter((session) => role === undefined || session.role === role)),
    keep: (id, role, statements) => write(() => keep(at(id, role), statements)),
    statements: (id, role) => read(() => [...(disk.statementRows.get(at(id, role)) ?? [])]),
    parts: (id, role) => read(() => [...(disk.partRows.get(at(id, role)) ?? [])].map(([, part]) => part)),
    checkpoint: (id, role, position) =>
      read(() =>
        (disk.checkpointRows.get(at(id, role)) ?? [])
          .filter((checkpoint) => checkpoint.position <= position)
          .reduce<Checkpoint | undefined>((last, one) => (last && last.position > one.position ? last : one), undefined)
      ),
    dropCheckpoints: async () => {},
    touch: async () => {},
    keepViolation: (id, role, violation) => write(() => void disk.violations.set(at(id, role), violation)),
    violation: (id, role) => read(() => disk.violations.get(at(id, role)) as never)
  }

  const keepSession = (role: string, session?: ChannelSession): void => {
    if (session !== undefined) disk.channelSessions.set(`${role} ${session.sessionId}`, { ...session })
  }
  const channels: ChannelStore = {
    putPayer: (channel, session) => {
      const row = { ...channel }
      return write(() => {
        const before = disk.payerRows.get(row.channelId)?.signed ?? 0n
        invariant(row.signed >= before, `a voucher decreased from ${before} to ${row.signed}`)
        disk.payerRows.set(row.channelId, row)
        keepSession('payer', session)
      })
    },
    payer: (channelId) => read(() => disk.payerRows.get(channelId)),
    payers: () => read(() => [...disk.payerRows.values()]),
    putPayee: (channel, session) => {
      const row = { ...channel }
      return write(() => {
        const before = disk.payeeRows.get(row.channelId)?.voucher?.maxClaimableAmount ?? 0n
        const now = row.voucher?.maxClaimableAmount ?? 0n
        invariant(now >= before, `the voucher held decreased from ${before} to ${now}`)
        disk.payeeRows.set(row.channelId, row)
        keepSession('payee', session)
      })
    },
    payee: (channelId) => read(() => disk.payeeRows.get(channelId)),
    payees: () => read(() => [...disk.payeeRows.values()]),
    sessions: (role, channelId) =>
      read(() =>
        [...disk.channelSessions]
          .filter(([key, session]) => key.startsWith(role) && session.channelId === channelId)
          .map(([, session]) => session)
      )
  }

  const sumOf = (test: (grant: Grant) => boolean): bigint =>
    [...disk.grants.values()].filter(test).reduce((total, grant) => total + exposureOf(grant), 0n)
  const trust: TrustStore = {
    put: (grant, changed) =>
      write(() => {
        disk.grants.set(at(grant.session, grant.role), { ...grant })
        for (const { by, name, ...record } of changed) disk.trustRows.set(`${grant.role} ${by} ${name}`, record)
      }),
    grant: (role, session) => read(() => disk.grants.get(at(session, role))),
    record: (role, { by, name }) => read(() => disk.trustRows.get(`${role} ${by} ${name}`)),
    exposure: (role, { by, name }, except) =>
      read(() => {
        const total = (open: boolean): bigint =>
          sumOf((g) => g.role === role && g[by] === name && g.session !== except && g.open === open)
        return { debt: total(false), open: total(true) }
      }),
    strangers: (role, since, except) =>
      read(() => sumOf((g) => g.role === role && g.stranger && g.at > since && g.session !== except)),
    outstanding: (role) =>
      read(() =>
        [...disk.grants.values()].filter(
          (g) => (role === undefined || g.role === role) && (g.open || exposureOf(g) > 0n)
        )
      )
  }

  const spending: SpendingStore = {
    add: (row) => write(() => void disk.spendingRows.push({ ...row })),
    sum: ({ since = 0, seller, session }) =>
      read(() =>
        disk.spendingRows
          .filter((row) => row.at >= since)
          .filter((row) => (seller ?? row.seller) === row.seller && (session ?? row.session) === row.session)
          .reduce((total, { amount }) => total + amount, 0n)
      ),
    lower: ({ session, amount }) =>
      write(() => {
        const rows = disk.spendingRows.filter((row) => row.session === session)
        let excess = rows.reduce((sum, row) => sum + row.amount, -amount)
        for (const row of rows.reverse()) {
          const taken = row.amount < excess ? row.amount : excess
          if (taken <= 0n) return
          row.amount -= taken
          excess -= taken
        }
      })
  }

  const logOf = (id: string) => {
    const log = disk.logs.get(id)
    if (log === undefined) throw new DdmError('internal', `no log ${id}`)
    return log
  }
  const blocks: BlockStore = {
    open: async (id) => {
      await write(() => {
        if (!disk.logs.has(id)) disk.logs.set(id, { epoch: 7n, blocks: [], head: 0n, finished: false })
      })
      return read(() => {
        const { epoch, head, finished } = logOf(id)
        return { epoch, range: { tail: 0n, head }, finished }
      })
    },
    append: (id, block) =>
      write(() => {
        const log = logOf(id)
        if (block.first !== log.head) throw new DdmError('internal', `block ${block.first} is not at ${log.head}`)
        log.blocks.push({ ...block, bytes: block.bytes.slice() })
        log.head += BigInt(block.count)
      }),
    readMany: (id, offset) =>
      read(() =>
        logOf(id)
          .blocks.filter(({ first, count }) => offset < first + BigInt(count))
          .slice(0, 4)
      ),
    offsetAt: (id, time) =>
      read(() => logOf(id).blocks.find(({ appendedAt }) => appendedAt >= time)?.first ?? logOf(id).head),
    finish: (id) =>
      write(() => {
        logOf(id).finished = true
      }),
    prune: async () => {}
  }
  return { sessions, channels, trust, spending, blocks }
}
