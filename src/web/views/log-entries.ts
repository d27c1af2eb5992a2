import type { Move, Statement } from '../client/types.ts'

/** One line of a purchase's log: signed by one of the two, or carried out by a ledger. */
export interface Entry {
  key: string
  /** Unix ms. */
  at: number
  what: string
  by: string
  text: string
  cid?: string
  transaction?: string
}

type Content = Statement['content']

/** An amount of the session's currency as people read it. */
type MoneyText = (amount: bigint) => string

/** Oldest first: what was signed, what was paid, and what of it is on a ledger. */
export function entriesOf(
  statements: readonly Statement[],
  moves: readonly Move[],
  { self, money }: { self: string | undefined; money: MoneyText }
): Entry[] {
  const byTransaction = moves.some(({ kind }) => kind === 'payment')
  const entries: Entry[] = moves.map(({ kind, amount, transaction, at }) => ({
    ...{ key: `${transaction} ${kind}`, at, what: kind, text: money(BigInt(amount)), transaction },
    by: kind === 'payment' ? 'you' : 'ledger'
  }))
  let credited = 0n
  for (const { cid, kind, issuer, content } of statements) {
    const at = Number(amountIn(content, 'at') ?? 0n)
    // The seller confirms a payment in its next statement; a transaction speaks for itself.
    const now = kind === 'invoice' || kind === 'receipt' ? amountIn(content, 'credited') : undefined
    if (now !== undefined && now > credited && !byTransaction) {
      const text = `${money(now - credited)}; ${money(now)} in all`
      entries.push({ key: `${cid} paid`, at, what: 'payment', by: 'you', text, cid })
      credited = now
    }
    const by = issuer === self ? 'you' : 'seller'
    entries.push({ key: cid, at, what: kind, by, text: textOf(kind, content, money), cid })
  }
  return entries.toSorted((a, b) => a.at - b.at)
}

const SAYS: Readonly<Record<string, (content: Content, money: (name: string) => string) => string>> = {
  offer: (content) => `version ${digits(content, 'version')}, valid for ${digits(content, 'ttl')} s`,
  order: (content, money) => `${digits(content, 'quantity', 'records until stopped')} for at most ${money('maximum')}`,
  accept: (content, money) =>
    `from record ${digits(content, 'start')}, an invoice every ${digits(content, 'k')}, credit ${money('credit')}`,
  invoice: (content, money) => `${digits(content, 'n')} records, ${money('due')} in all`,
  receipt: (content, money) => `${digits(content, 'n')} records, ${money('due')} due, ${money('credited')} paid`,
  'receipt-ack': () => 'the receipt is right'
}

function textOf(kind: string, content: Content, money: MoneyText): string {
  return SAYS[kind]?.(content, (name) => money(amountIn(content, name) ?? 0n)) ?? ''
}

function amountIn(content: Content, name: string): bigint | undefined {
  const value = content[name]
  return typeof value === 'string' && /^[0-9]{1,78}$/.test(value) ? BigInt(value) : undefined
}

function digits(content: Content, name: string, otherwise = ''): string {
  return amountIn(content, name)?.toString() ?? otherwise
}
