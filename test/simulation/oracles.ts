import { createHash } from 'node:crypto'
import { type Hex, isVoucher, type Price } from '../../src/interface/index.ts'
import type { Message } from '../../src/protocols/sdpp/messages.ts'
import type { CheckedStatement } from '../../src/statements/index.ts'
import type { Disk } from './disk.ts'
import type { Link, Observer } from './network.ts'
import { type Place, Received, rootAt } from './received.ts'
import type { Scenario } from './scenario.ts'
import type { Process, World } from './world.ts'

/** Who a process is, for those that judge it. */
export interface Party {
  role: 'buyer' | 'seller'
  honest: boolean
  disk: Disk
  peer: string
  /** Most that its user lets it pay ahead. */
  advance?: bigint
}

/** A session as everything that went over the wire shows it. */
interface Seen {
  id: string
  binary: Uint8Array
  buyer: Party
  order: CheckedStatement<'order'>['content']
  price: Price
  start: bigint
  /** The highest that an ACCEPT gave, or the seller stored as given since. */
  credit: bigint
  /** As offered. */
  most: bigint
  sent: bigint
  received: bigint
  places: Received
  /** Of what its buyer has paid for, by n. */
  paidRoots: Map<bigint, string>
  roots: Map<bigint, string>
  receipt: CheckedStatement<'receipt'>['content'] | undefined
  /** Where the seller accepted it last. */
  stream: Link | undefined
  /** The seller has said on that stream that it is over. */
  isOver: boolean
}

/** What is known of a stream. */
interface Context {
  offer?: CheckedStatement<'offer'>['content']
  session?: Seen | undefined
  /** Where the buyer stands; undefined when it was sent what does not follow. */
  place?: Place | undefined
  /** Roots of all places since the stream began. */
  roots: Map<bigint, string>
  /** What the seller has stated that is not what came. */
  lie?: string
  receipt?: CheckedStatement<'receipt'>['content']
}

function hasEnded({ b: { process, status, writeClosed } }: Link): boolean {
  return !process.alive || status === 'closed' || writeClosed
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/**
 * What must hold after every step, computed here again from the records, the wire and the disks; nothing is asked of the
 * code under test.
 */
export class Oracles implements Observer {
  readonly #world: World
  readonly #scenario: Scenario
  readonly #parties = new Map<Process, Party>()
  readonly #links = new WeakMap<Link, Context>()
  readonly sessions = new Map<string, Seen>()
  readonly messages: Record<string, number> = {}
  seller: Party | undefined

  constructor(world: World, scenario: Scenario) {
    this.#world = world
    this.#scenario = scenario
  }

  join(process: Process, party: Party): void {
    this.#parties.set(process, party)
    if (party.role === 'seller') this.seller = party
  }

  /** Σ billable records, or bytes, among the first n of a session, at the price. */
  due({ start, price }: Pick<Seen, 'start' | 'price'>, n: bigint): bigint {
    const { free, records } = this.#scenario
    let units = 0n
    for (let offset = Number(start); offset < Number(start + n); offset++) {
      if (free !== undefined && offset >= free.from && offset < free.to) continue
      units += price.unit === 'record' ? 1n : BigInt(records[offset]?.length ?? 0)
    }
    const per = price.unit === 'record' ? price.count : price.count * 1024n
    return (units * price.amount + per - 1n) / per
  }

  /** Credited by the seller, as its disk has it. */
  credited(id: string): bigint {
    return this.seller?.disk.channelSessions.get(`payee ${id}`)?.paid ?? 0n
  }

  #expect(holds: boolean, what: string): void {
    if (!holds) this.#world.violated(what)
  }

  readonly sent = (link: Link, from: Process, message: Message): void => {
    const party = this.#parties.get(from)
    if (party === undefined || !from.alive) return
    this.#world.note(`${from.name} sends ${message.name}`)
    const context = this.#links.get(link) ?? { roots: new Map() }
    this.#links.set(link, context)
    if (party.role === 'seller') this.#ofSeller(party, link, context, message)
    else this.#ofBuyer(party, context, message)
  }

  #ofSeller(party: Party, link: Link, context: Context, message: Message): void {
    const { session } = context
    if (message.name === 'OFFER') context.offer = message.statement.content
    if (session === undefined) return
    // A moment later the stream is aborted; nothing is done on it from here on.
    if (message.name === 'STATUS' && message.content.code >= 200n && session.stream === link) session.isOver = true
    if (message.name === 'ACCEPT') {
      const { start, credit, credited = 0n } = message.statement.content
      session.start = start
      const { stream, isOver } = session
      session.stream = link
      session.isOver = false
      if (credit > session.credit) session.credit = credit
      if (!party.honest) return
      this.#expect(stream === undefined || isOver || hasEnded(stream), 'the session has two streams')
      const kinds = this.#kinds(party.disk, 'seller', session.id)
      this.#expect(
        ['offer', 'order', 'accept'].every((kind) => kinds.includes(kind)),
        `ACCEPT before it is stored: ${kinds}`
      )
      this.#expect(party.disk.grants.has(`seller ${session.id}`), 'ACCEPT before the credit is stored')
      this.#expect(
        credited <= this.credited(session.id),
        `ACCEPT says ${credited} credited, stored is ${this.credited(session.id)}`
      )
      return
    }
    if (message.name === 'DATA') {
      const { first, count, bytes } = message.data
      if (party.honest) this.#checkRecords(party.disk, first, count, bytes)
      const n = first + BigInt(count) - session.start
      if (n > session.sent) session.sent = n
      if (party.honest) this.#checkExposure(session)
      return
    }
    if (message.name === 'INVOICE' || message.name === 'RECEIPT') {
      const { n, due, credited, root } = message.statement.content
      if (message.name === 'RECEIPT')
        session.receipt = message.statement.content as CheckedStatement<'receipt'>['content']
      if (!party.honest) return
      const what = `${message.name} at ${n}`
      this.#expect(n <= session.sent || session.sent === 0n, `${what} of ${session.sent} sent`)
      this.#expect(due === this.due(session, n), `${what} asks ${due}, due is ${this.due(session, n)}`)
      const stored = this.credited(session.id)
      this.#expect(credited <= stored, `${what} says ${credited} credited, stored is ${stored}`)
      const known = session.roots.get(n)
      this.#expect(known === undefined || known === hex(root), `two roots at ${n}`)
      session.roots.set(n, hex(root))
      const truth = hex(this.#root(party.disk, session, n))
      this.#expect(hex(root) === truth, `${what} has root ${hex(root).slice(0, 8)}, the log ${truth.slice(0, 8)}`)
      if (message.name === 'RECEIPT') {
        const kinds = this.#kinds(party.disk, 'seller', session.id)
        this.#expect(kinds.includes('receipt'), 'RECEIPT before it is stored')
      }
    }
  }

  #checkRecords(disk: Disk, first: bigint, count: number, bytes: Uint8Array): void {
    const log = [...disk.logs.values()][0]
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    let at = 0
    for (let index = 0; index < count; index++) {
      const offset = Number(first) + index
      this.#expect(BigInt(offset) < (log?.head ?? 0n), `record ${offset} is sent before it is durable`)
      const length = view.getUint32(at)
      const record = bytes.subarray(at + 4, at + 4 + length)
      const truth = this.#scenario.records[offset]
      this.#expect(truth !== undefined && Buffer.compare(record, truth) === 0, `record ${offset} is another`)
      at += 4 + length
    }
  }

  /** What the seller delivered and nobody has paid for stays within what was given durably, per session and in all. */
  #checkExposure(session: Seen): void {
    const owed = this.due(session, session.sent) - this.credited(session.id)
    const { credit: granted = 0n } = this.seller?.disk.grants.get(`seller ${session.id}`) ?? {}
    if (granted > session.credit) session.credit = granted
    this.#expect(session.credit <= session.most, `${session.credit} of credit, offered were ${session.most}`)
    this.#expect(owed <= session.credit, `${owed} at risk in a session with ${session.credit} credit`)
    this.#expect(this.due(session, session.sent) <= session.order.maximum, 'more is due than the order allows')
    if (this.#scenario.creditForAll) return
    let atRisk = 0n
    let settled = 0n
    for (const other of this.sessions.values()) {
      const credited = this.credited(other.id)
      const due = this.due(other, other.sent)
      atRisk += due > credited ? due - credited : 0n
      settled += due < credited ? due : credited
    }
    const limit = this.#scenario.strangerCredit + (settled * 5n) / 100n
    this.#expect(atRisk <= limit, `${atRisk} at risk over all sessions, the limit is ${limit}`)
  }

  #ofBuyer(party: Party, context: Context, message: Message): void {
    if (message.name === 'ORDER') {
      const { cid, link, content } = message.statement
      const entry = context.offer?.prices[Number(content.price)]
      if (entry === undefined) return
      const price = { amount: entry.amount, count: entry.count, unit: entry.unit }
      context.session = {
        id: cid,
        binary: link.bytes,
        buyer: party,
        order: content,
        price,
        start: 0n,
        credit: 0n,
        most: entry.credit,
        sent: 0n,
        received: 0n,
        places: new Received(link.bytes),
        paidRoots: new Map(),
        roots: new Map(),
        receipt: undefined,
        stream: undefined,
        isOver: false
      }
      this.sessions.set(cid, context.session)
      this.#standAt(context, context.session.places.beginning)
      const kinds = this.#kinds(party.disk, 'buyer', cid)
      if (party.honest) this.#expect(kinds.includes('offer') && kinds.includes('order'), 'ORDER before it is stored')
      return
    }
    if (message.name === 'RESUME') {
      const { session: id, position, root } = message.content
      const resumed = this.sessions.get(id.toString())
      context.session = resumed
      if (resumed === undefined) return
      const place = resumed.places.at(position, hex(root), resumed.start)
      if (party.honest) this.#expect(place !== undefined, `RESUME at ${position} names a root of what never came`)
      this.#standAt(context, place)
      return
    }
    const { session } = context
    if (session === undefined || !party.honest) return
    if (message.name === 'PAYMENT') {
      const { sessionPaid, payload } = message.content
      const due = this.due(session, session.received)
      this.#expect(
        sessionPaid <= due + session.order.prepay,
        `${sessionPaid} paid, ${due} received, ${session.order.prepay} ahead`
      )
      this.#expect(sessionPaid <= session.order.maximum, 'paid above the maximum')
      this.#checkStory(session, context, message.content.n)
      const stored = party.disk.channelSessions.get(`payer ${session.id}`)?.paid ?? 0n
      this.#expect(sessionPaid <= stored, `PAYMENT of ${sessionPaid}, stored is ${stored}`)
      if (!isVoucher(payload)) return
      const spent = party.disk.spendingRows.reduce((sum, { amount }) => sum + amount, 0n)
      const promised = [...party.disk.payerRows.values()].reduce((sum, channel) => sum + channel.signed, 0n)
      this.#expect(promised <= spent, `${promised} is signed for, ${spent} counts as spent`)
      this.#checkAdvance(party, promised)
      const signed = party.disk.payerRows.get(payload.channelId)?.signed ?? 0n
      this.#expect(
        payload.maxClaimableAmount <= signed,
        `a voucher for ${payload.maxClaimableAmount} left, stored is ${signed}`
      )
      return
    }
    if (message.name === 'POSITION') {
      this.#expect(
        message.content.n <= session.received,
        `POSITION ${message.content.n} of ${session.received} received`
      )
    }
    if (message.name === 'RECEIPT_ACK') {
      const kinds = this.#kinds(party.disk, 'buyer', session.id)
      this.#expect(kinds.includes('receipt') && kinds.includes('receipt-ack'), 'RECEIPT_ACK before it is stored')
      this.#expect(context.receipt !== undefined, 'RECEIPT_ACK before a RECEIPT')
      this.#expect(context.lie === undefined, `RECEIPT_ACK after ${context.lie}`)
    }
  }

  #standAt(context: Context, place: Place | undefined): void {
    context.place = place
    if (place !== undefined) context.roots.set(place.n, rootAt(place, context.session?.start ?? 0n))
  }

  /** Whatever its seller does, a buyer pays nobody who has told it something else than what came, and never for two stories. */
  #checkStory({ paidRoots }: Seen, { roots, lie }: Context, n: bigint): void {
    this.#expect(lie === undefined, `PAYMENT after ${lie}`)
    const root = roots.get(n)
    if (root === undefined) return
    const before = paidRoots.get(n)
    this.#expect(before === undefined || before === root, `paid for two roots at ${n}`)
    paidRoots.set(n, root)
  }

  /** What a buyer has signed for and not received stays within one advance, over all its sessions with the seller. */
  #checkAdvance({ disk, advance = 0n }: Party, signed: bigint): void {
    let received = 0n
    for (const session of this.sessions.values()) {
      if (session.buyer.disk === disk) received += this.due(session, session.received)
    }
    this.#expect(signed <= received + advance, `${signed} signed for, ${received} received, ${advance} ahead in all`)
  }

  readonly arrived = (link: Link, to: Process, message: Message): void => {
    const party = this.#parties.get(to)
    const context = this.#links.get(link)
    const session = context?.session
    if (party?.role !== 'buyer' || context === undefined || session === undefined) return
    const { start } = session
    if (message.name === 'DATA') {
      const n = message.data.first + BigInt(message.data.count) - start
      this.#standAt(context, context.place && session.places.extend(context.place, start, message.data))
      if (n > session.received && (context.place !== undefined || !party.honest)) session.received = n
      return
    }
    if (message.name !== 'INVOICE' && message.name !== 'RECEIPT') return
    const { n, due, root } = message.statement.content
    if (message.name === 'RECEIPT')
      context.receipt = message.statement.content as CheckedStatement<'receipt'>['content']
    if (due !== this.due(session, n) || context.roots.get(n) !== hex(root)) {
      context.lie ??= `${message.name} at ${n} that is not what came`
    }
  }

  #kinds(disk: Disk, role: string, id: string): string[] {
    return (disk.statementRows.get(`${role} ${id}`) ?? []).map(({ kind }) => kind)
  }

  /** The transcript from the blocks on the disk (docs/specs/sdpp.md, Transcript). */
  #root(disk: Disk, { binary, start }: Seen, n: bigint): Uint8Array {
    let root = createHash('sha256').update('ddm-sdpp/2/transcript').update(binary).digest()
    const end = start + n
    for (const block of [...disk.logs.values()][0]?.blocks ?? []) {
      const from = block.first > start ? block.first : start
      const blockEnd = block.first + BigInt(block.count)
      const to = blockEnd < end ? blockEnd : end
      if (to <= from) continue
      const part = createHash('sha256')
      for (let offset = from; offset < to; offset++) {
        const record = this.#scenario.records[Number(offset)] as Uint8Array
        const length = Buffer.alloc(4)
        length.writeUInt32BE(record.length)
        part.update(length).update(record)
      }
      const fixed = Buffer.alloc(12)
      fixed.writeBigUInt64BE(from, 0)
      fixed.writeUInt32BE(Number(to - from), 8)
      root = createHash('sha256').update(root).update(fixed).update(part.digest()).digest()
    }
    return root
  }

  /** Of a buyer nobody takes more than it has signed for, and deposited; a seller holds nothing for claimed that is not. */
  #checkBooks(stateOf: (channelId: Hex) => { balance: bigint; claimed: bigint }): void {
    for (const { role, honest, disk } of new Set(this.#parties.values())) {
      if (!honest) continue
      if (role === 'seller') {
        for (const [channelId, { claimed }] of disk.payeeRows) {
          const onChain = stateOf(channelId).claimed
          this.#expect(claimed <= onChain, `the seller has ${claimed} claimed, the chain ${onChain}`)
        }
        continue
      }
      for (const [channelId, { signed, deposited, authorization }] of disk.payerRows) {
        const { claimed, balance } = stateOf(channelId)
        this.#expect(claimed <= signed, `${claimed} was claimed of a buyer that signed for ${signed}`)
        const most = deposited + (authorization?.amount ?? 0n)
        this.#expect(balance <= most, `the channel holds ${balance}, its payer gave ${most} at most`)
      }
    }
  }

  /** After all is over: of what was delivered and paid nothing was given back, and nothing was taken twice. */
  checkChannels(stateOf: (channelId: Hex) => { balance: bigint; claimed: bigint }): void {
    this.#checkBooks(stateOf)
    const seller = this.seller as Party
    for (const [channelId, channel] of seller.disk.payeeRows) {
      const rows = [...seller.disk.channelSessions].filter(
        ([key, row]) => key.startsWith('payee ') && row.channelId === channelId
      )
      let counted = channel.base
      for (const [, { open, paid }] of rows) if (open) counted += paid
      let earned = 0n
      let most = 0n
      for (const [key, row] of rows) {
        const session = this.sessions.get(key.slice('payee '.length))
        if (session === undefined) continue
        // What was sent and lost on its way nobody has; a record that is paid in part only need not be given back.
        let delivered = session.received
        while (this.due(session, delivered) > row.paid) delivered--
        earned += this.due(session, delivered)
        most += row.paid
      }
      if (!seller.honest) continue
      const voucher = channel.voucher?.maxClaimableAmount ?? 0n
      this.#expect(counted >= earned, `the channel counts ${counted}, ${earned} were delivered and paid`)
      this.#expect(
        counted <= most && counted <= voucher,
        `the channel counts ${counted}, paid ${most}, voucher ${voucher}`
      )
      const { claimed } = stateOf(channelId)
      this.#expect(claimed >= earned, `${claimed} claimed of ${earned} earned`)
    }
  }
}
