import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Address, Hex } from '../../src/interface/index.ts'
import type { ChainView } from './chain-view.ts'
import { type LedgerView, readLedger } from './ledger.ts'
import type { Role } from './points.ts'

export interface OraclesInit {
  homes: Record<Role, string>
  /** Atomic units of a record. */
  price: bigint
  chain: ChainView
  violated: (what: string) => void
}

/** What a finished purchase must have come to. */
export interface Bought {
  file: string
  lines: readonly string[]
}

/** How long what is under way may take before it must be true. */
const SOON_MS = 10_000

/**
 * What must hold, computed from both ledgers as they are on the disk, from the files, the chain and what the processes said
 * of themselves while they lived.
 */
export class Oracles {
  readonly #init: OraclesInit
  /** What was durable or acknowledged once: it never goes back. */
  readonly #marks = new Map<string, bigint>()
  /** Files whose purchase is over. */
  readonly #bought = new Set<string>()
  /** Atomic units that all finished purchases cost. */
  spent = 0n
  /** Tokens of both wallets before the first purchase. */
  #endowment: Record<Role, bigint> | undefined

  constructor(init: OraclesInit) {
    this.#init = init
  }

  async begin(accounts: Record<Role, Address>): Promise<void> {
    const { tokens } = this.#init.chain
    this.#endowment = { buyer: await tokens(accounts.buyer), seller: await tokens(accounts.seller) }
  }

  /** The buyer says what it has received of a session: the seller delivered at least that. */
  received(session: string, count: bigint): void {
    this.#raise(`received ${session}`, count)
  }

  /**
   * Looks at both ledgers. One that the other side's word depends on is read first: what the seller holds the buyer has
   * signed before, and what the seller has acknowledged it had stored before.
   */
  look(when: string): void {
    const { homes } = this.#init
    const before = readLedger(homes.buyer, 'buyer')
    const seller = readLedger(homes.seller, 'seller')
    const buyer = readLedger(homes.buyer, 'buyer')
    const expect = (holds: boolean, what: string): void => this.#expect(holds, `${when}: ${what}`)
    for (const [id, { credited }] of before.sessions) {
      const held = seller.sessions.get(id)?.paid ?? 0n
      expect(credited <= held, `the seller acknowledged ${credited} of ${id}, its ledger holds ${held}`)
    }
    for (const [id, { paid }] of seller.sessions) {
      const signed = buyer.sessions.get(id)?.paid
      expect(
        signed !== undefined && paid <= signed,
        `the seller holds ${paid} of ${id}, the buyer has signed ${signed}`
      )
    }
    for (const [id, { voucher }] of seller.channels) {
      const signed = buyer.channels.get(id)?.voucher
      expect(signed !== undefined && voucher <= signed, `a voucher for ${voucher} of ${id}, the buyer stored ${signed}`)
    }
    for (const [id, { voucher, base, deposited }] of buyer.channels) {
      expect(voucher <= deposited, `${voucher} signed in ${id}, ${deposited} deposited`)
      expect(base <= voucher, `${base} consumed in ${id}, ${voucher} signed`)
    }
    this.#keep(when, 'buyer', buyer)
    this.#keep(when, 'seller', seller)
  }

  #keep(when: string, role: Role, { sessions, channels }: LedgerView): void {
    const keep = (name: string, value: bigint): void => {
      const mark = this.#marks.get(name) ?? 0n
      this.#expect(value >= mark, `${when}: ${name} was ${mark} and is ${value}`)
      this.#raise(name, value)
    }
    for (const [id, { paid, credited, position, receipted }] of sessions) {
      keep(`${role} paid of ${id}`, paid)
      keep(`${role} credited of ${id}`, credited)
      keep(`${role} receipt of ${id}`, receipted ? 1n : 0n)
      if (role === 'buyer') keep(`${role} position of ${id}`, position)
    }
    for (const [id, { voucher, base }] of channels) {
      keep(`${role} voucher of ${id}`, voucher)
      keep(`${role} base of ${id}`, base)
    }
    for (const name of this.#marks.keys()) {
      const [whose, , , id = ''] = name.split(' ')
      if (whose !== role) continue
      this.#expect(sessions.has(id) || channels.has(id as Hex), `${when}: ${name} is not in the ledger any more`)
    }
  }

  /** The seller is dead: what it delivered, and will never hold a voucher for, is within the credit that it shows. */
  owed(when: string, session: string): bigint {
    const row = readLedger(this.#init.homes.seller, 'seller').sessions.get(session)
    if (row === undefined) return 0n
    const delivered = (this.#marks.get(`received ${session}`) ?? 0n) * this.#init.price
    const owed = delivered - row.paid
    this.#expect(owed <= row.credit, `${when}: ${delivered} delivered, ${row.paid} paid, the credit is ${row.credit}`)
    return owed
  }

  /** The buyer is dead: what it signed, and has no record for, is within the prepayment that it shows. */
  async ahead(when: string, session: string, sent: () => Promise<bigint>): Promise<bigint> {
    const row = readLedger(this.#init.homes.buyer, 'buyer').sessions.get(session)
    if (row === undefined) return 0n
    let ahead = row.paid
    // The seller writes how much it has sent a moment after the stream is gone.
    const holds = await soon(async () => {
      const seller = readLedger(this.#init.homes.seller, 'seller').sessions.get(session)
      const stored = seller === undefined ? 0n : seller.position
      const live = await sent()
      // A seller that lost its position counts from where the buyer resumed, the end of a block before what it holds.
      const most = [live, stored, row.position].reduce((a, b) => (a > b ? a : b))
      ahead = row.paid - most * this.#init.price
      return ahead <= row.credit
    })
    this.#expect(holds, `${when}: ${row.paid} signed, ${ahead} of it ahead, the prepayment is ${row.credit}`)
    return ahead
  }

  /** A purchase is over and nobody is being killed: the file, both books and the chain agree to the last unit. */
  async settled(when: string, { file, lines }: Bought, accounts: Record<Role, Address>): Promise<void> {
    const { price, homes } = this.#init
    const expect = (holds: boolean, what: string): void => this.#expect(holds, `${when}: ${what}`)
    const got = await readFile(file, 'utf8')
    expect(got === `${lines.join('\n')}\n`, `the file differs from what was published: ${difference(got, lines)}`)
    const cost = price * BigInt(lines.length)
    this.spent += cost
    this.#bought.add(file)

    await soon(async () => sum(readLedger(homes.seller, 'seller'), 'base') === this.spent)
    this.look(when)
    const buyer = readLedger(homes.buyer, 'buyer')
    const seller = readLedger(homes.seller, 'seller')
    const sessions = [...buyer.sessions].filter(([, { sink }]) => sink !== undefined && fileOf(sink) === file)
    const costs = sessions.map(([, { consumed }]) => consumed).filter((consumed) => consumed > 0n)
    expect(costs.length === 1 && costs[0] === cost, `the buyer's ledger says it cost ${costs}, not ${cost}`)
    for (const [id, { consumed, due, receipted, paid }] of sessions) {
      if (consumed === 0n) {
        expect(paid === 0n, `${paid} was signed in ${id}, which brought nothing`)
        continue
      }
      expect(receipted, `${id} has no receipt`)
      expect(due === cost, `${due} is due in ${id}, not ${cost}`)
      const sold = seller.sessions.get(id)
      expect(sold?.consumed === cost && sold.due === cost, `the seller's ledger has ${sold?.consumed} of ${sold?.due}`)
    }
    for (const [side, view] of [
      ['buyer', buyer],
      ['seller', seller]
    ] as const) {
      expect(sum(view, 'base') === this.spent, `${side}: ${sum(view, 'base')} consumed, all files cost ${this.spent}`)
    }
    await this.#chain(when, buyer, accounts)
  }

  /** Whether all that was earned, and that much more, is claimed on the chain within a moment. */
  async claimed(more: bigint): Promise<boolean> {
    return soon(async () => (await this.#onChain()).claimed === this.spent + more)
  }

  /** Whether the buyer has back, within a moment, what of its deposits nobody has earned. */
  async returned(): Promise<boolean> {
    return soon(async () => {
      const { balance, claimed } = await this.#onChain()
      const refunding = [...readLedger(this.#init.homes.seller, 'seller').channels.values()].some(
        (one) => one.refunding
      )
      return !refunding && balance === claimed
    })
  }

  async #onChain(): Promise<{ balance: bigint; claimed: bigint; returned: bigint }> {
    const { homes, chain } = this.#init
    const ids = [...readLedger(homes.buyer, 'buyer').channels.keys()]
    const states = await Promise.all(ids.map((id) => chain.channel(id)))
    const returned = await Promise.all(ids.map((id) => chain.returned(id)))
    return {
      returned: returned.reduce((total, amount) => total + amount, 0n),
      balance: states.reduce((total, { balance }) => total + balance, 0n),
      claimed: states.reduce((total, { claimed }) => total + claimed, 0n)
    }
  }

  async #chain(when: string, buyer: LedgerView, accounts: Record<Role, Address>): Promise<void> {
    const { tokens } = this.#init.chain
    const endowment = this.#endowment as Record<Role, bigint>
    const { balance, claimed, returned } = await this.#onChain()
    this.#expect(claimed === this.spent, `${when}: ${claimed} is claimed on the chain, ${this.spent} was earned`)
    const deposited = sum(buyer, 'deposited')
    const known = `the escrow holds ${balance} and gave ${returned} back, the buyer knows of ${deposited}`
    this.#expect(balance + returned === deposited, `${when}: ${known}`)
    const left = await tokens(accounts.buyer)
    this.#expect(
      left + balance === endowment.buyer,
      `${when}: the buyer has ${left} and deposited ${balance} of ${endowment.buyer}`
    )
    let earned = 0n
    const paidOut = await soon(async () => {
      earned = (await tokens(accounts.seller)) - endowment.seller
      return earned === this.spent
    })
    this.#expect(paidOut, `${when}: the seller was paid out ${earned}, it earned ${this.spent}`)
  }

  #raise(name: string, value: bigint): void {
    if (value > (this.#marks.get(name) ?? -1n)) this.#marks.set(name, value)
  }

  #expect(holds: boolean, what: string): void {
    if (!holds) this.#init.violated(what)
  }
}

/** The file that a sink's mark names. */
export function fileOf(sink: string): string {
  return (JSON.parse(sink) as { file: string }).file
}

function sum({ channels }: LedgerView, name: 'base' | 'deposited'): bigint {
  return [...channels.values()].reduce((total, channel) => total + channel[name], 0n)
}

function difference(got: string, lines: readonly string[]): string {
  const have = got.split('\n').slice(0, -1)
  const at = lines.findIndex((line, index) => have[index] !== line)
  const where = at === -1 ? lines.length : at
  return `${have.length} of ${lines.length} lines, line ${where} is ${have[where]}, not ${lines[where]}`
}

async function soon(holds: () => Promise<boolean>): Promise<boolean> {
  const deadline = performance.now() + SOON_MS
  for (;;) {
    if (await holds()) return true
    if (performance.now() > deadline) return false
    await sleep(50)
  }
}
