import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import * as constants from '../../src/protocols/sdpp/constants.ts'
import { FRAME, type FrameName } from '../../src/protocols/sdpp/frame.ts'
import { CLOSE_REASON, STATUS } from '../../src/protocols/sdpp/status.ts'
import {
  BUYER_EXPECTS,
  BUYER_TRANSITIONS,
  SELLER_EXPECTS,
  SELLER_TRANSITIONS,
  type TransitionTable
} from '../../src/protocols/sdpp/transitions.ts'

/**
 * The tables of docs/specs/sdpp.md that are printed from the code: `node test/support/spec-tables.ts` writes them
 * between their markers, a test compares them. What a code means is said here, so that a new code needs a sentence.
 */

export const SPEC = new URL('../../docs/specs/sdpp.md', import.meta.url)

/** What it means, and what a buyer does that hears it. */
const STATUS_TEXT: Record<keyof typeof STATUS, [meaning: string, buyer: string]> = {
  ok: [
    'nothing is wrong; may be sent at any time, and changes nothing but as the answer to RECEIPT_ACK: it is stored',
    '–'
  ],
  toppingUp: [
    'buyer: a deposit is on its way, which pauses the payment timer; seller: the channel is used up, top it up',
    'deposits, or ends the session (CLOSE `maximum`)'
  ],
  unknownListing: [
    'the seller does not sell this listing document, or no longer this version',
    'tell; where a session may exist: again'
  ],
  offerExpired: ['the offer is older than its `ttl`, or belongs to another stream', 'tell'],
  channelUnfunded: [
    'the channel or the wallet cannot pay the maximum of the order',
    'tell; where a session may exist: again'
  ],
  limitsIncompatible: [
    'credit + prepay do not cover one record; `have` and `need` are given',
    'tell; where a session may exist, or it has others with this seller: again'
  ],
  forbidden: ['this buyer is not served', 'tell'],
  busy: ['too many sessions; try later', 'again'],
  offsetPruned: ['the offset ordered is not kept, or not there yet', 'tell'],
  priceChanged: ['the offer asks more than the listing', '– (a buyer says it)'],
  budget: ['the buyer’s own limits do not allow it', '– (a buyer says it)'],
  noCommonRail: ['no way to pay of the offer is one of the buyer’s', 'tell'],
  termsOutsideOffer: ['ORDER is outside of OFFER, ACCEPT outside of ORDER, or OFFER outside of the listing', 'tell'],
  unknownSession: [
    'the session to resume is not known here',
    'orders anew if no ACCEPT ever came; else the session is over'
  ],
  malformed: ['bytes that do not decode, or a statement that contradicts itself', 'tell'],
  unexpected: ['a frame that does not belong here, or with a position that cannot be', 'tell'],
  tooLarge: ['a frame over its limit', 'tell'],
  badSignature: ['a signature that does not verify, or of somebody who may not sign this', 'tell'],
  paymentInvalid: ['a PAYMENT that the rail refuses', 'tell'],
  transcriptMismatch: [
    'the root of an INVOICE or RECEIPT is not what was received',
    'as the answer to RESUME: disputed, never again; else tell'
  ],
  paymentTimeout: ['an INVOICE was not paid in time', 'again'],
  schema: ['not sent: a record that breaks the rules of the listing ends the session by CLOSE (`schema`)', 'tell'],
  timeout: ['nothing came in time', 'again'],
  versionUnsupported: ['none of the versions in HELLO is spoken here', 'tell'],
  accountMismatch: ['n, bytes, due or credited of an INVOICE or RECEIPT is not what was computed', 'tell'],
  internal: ['an error of the sender’s own; no detail is given', 'again'],
  shuttingDown: ['the sender is going away', 'again']
}

const REASON_TEXT: Record<keyof typeof CLOSE_REASON, string> = {
  complete: 'the quantity, the end or the duration of the order is reached',
  buyerDone: 'the buyer wants no more',
  sourceEnded: 'the product has no more records, ever',
  maximum: 'the next record would cost more than the order’s maximum, or than the channel can pay',
  schema: 'a record violates the schema',
  shuttingDown: 'one side is going away',
  notPaid: 'the buyer stopped paying ahead and owes nothing'
}

type LimitName = Exclude<keyof typeof constants, 'SDPP_PROTOCOL' | 'SDPP_VERSION'>

const LIMIT_TEXT: Record<LimitName, [unit: string, text: string]> = {
  MAX_CONTROL_BYTES: ['bytes', 'body of a frame other than DATA'],
  MAX_DATA_BYTES: ['bytes', 'body of a DATA frame'],
  MAX_IN_FLIGHT_BYTES: ['bytes', 'records sent and not yet acknowledged by POSITION'],
  IDLE_POSITION_MS: ['ms', 'a buyer that has handled everything acknowledges after this long'],
  MAX_PART_BYTES: [
    'bytes',
    'a buyer that judges records refuses (`tooLarge`) more of one block: it keeps it as evidence'
  ],
  POSITION_EVERY_BYTES: ['bytes', 'the buyer acknowledges at the latest after handling this much'],
  KEEP_POSITION_MS: ['ms', 'this implementation stores the position of a consumer that keeps no count this often'],
  POSITION_TIMEOUT_MS: ['ms', 'seller: with the flow limit reached, until a POSITION frees something; then `timeout`'],
  MAX_UNSTORED_BYTES: ['bytes', 'records sent that a crash of the seller may make it forget'],
  CHECKPOINT_EVERY_BLOCKS: ['blocks', 'this implementation, as seller, stores n, root(n) and what is due this often'],
  INVOICE_DELAY_MS: ['ms', 'seller: from the first uninvoiced record to its INVOICE, which it then sends'],
  PAYMENT_TIMEOUT_MS: [
    'ms',
    'seller: from the oldest unanswered INVOICE to its PAYMENT; then `paymentTimeout`, but after the final INVOICE the RECEIPT as it is'
  ],
  HELD_LOOK_MS: ['ms', 'a seller that holds a payment looks this often whether the channel covers it'],
  CREDIT_LOOK_MS: ['ms', 'a seller looks this often whether what leaves a resumed session no window is paid'],
  PING_AFTER_MS: ['ms', 'both: a side that sent nothing for this long sends PING'],
  STALL_TIMEOUT_MS: ['ms', 'both: frames of this side are not read for this long; then `timeout`'],
  SILENCE_TIMEOUT_MS: [
    'ms',
    'both: nothing came for this long; then `timeout`. Buyer: also from its CLOSE to the seller’s, whatever else comes'
  ],
  HELLO_TIMEOUT_MS: [
    'ms',
    'seller: stream open, or MENU, to HELLO; buyer: HELLO to OFFER, or to the last MENU; then `timeout`'
  ],
  ORDER_TIMEOUT_MS: ['ms', 'both: OFFER to ORDER; then `timeout`'],
  ACCEPT_TIMEOUT_MS: [
    'ms',
    'buyer: ORDER or RESUME to ACCEPT; then `timeout`. Seller: a payment timer paused by `toppingUp`'
  ],
  RECEIPT_TIMEOUT_MS: [
    'ms',
    'buyer: the seller’s CLOSE to the final INVOICE, it to RECEIPT; then `timeout`. RECEIPT_ACK to STATUS `ok`; then it closes. Seller: RECEIPT to RECEIPT_ACK; then it closes, and the RECEIPT stands'
  ],
  OFFER_TTL_SECONDS: ['s', 'default `ttl` of an OFFER'],
  RESUME_TTL_SECONDS: ['s', 'default `resumeTtl` of an OFFER'],
  MENU_PAGE: ['entries', 'of one MENU by this implementation; a decoder takes up to 64'],
  MAX_MENU_PAGES: ['pages', 'on one stream']
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

function states(transitions: TransitionTable, expects: Readonly<Record<string, readonly FrameName[]>>): string {
  const rows = Object.entries(transitions).map(([state, row]) => [
    `\`${state}\``,
    (expects[state] ?? []).join(', ') || '–',
    Object.entries(row)
      .map(([event, to]) => `${event} → \`${to}\``)
      .join('; ') || '–'
  ])
  return table(['state', 'frames taken', 'transitions'], rows)
}

const hex = (kind: number): string => `0x${kind.toString(16).padStart(2, '0')}`

export function specTables(): Record<string, string> {
  const values = { ...constants }
  const numbers = (Object.keys(LIMIT_TEXT) as LimitName[]).map((name) => {
    const [unit, text] = LIMIT_TEXT[name]
    return [`\`${name}\``, `${values[name].toLocaleString('en')} ${unit}`, text]
  })
  return {
    kinds: table(
      ['kind', 'frame'],
      Object.entries(FRAME).map(([name, kind]) => [hex(kind), name])
    ),
    seller: states(SELLER_TRANSITIONS, SELLER_EXPECTS),
    buyer: states(BUYER_TRANSITIONS, BUYER_EXPECTS),
    status: table(
      ['code', 'name', 'meaning', 'a buyer that hears it'],
      Object.entries(STATUS).map(([name, code]) => [`${code}`, name, ...STATUS_TEXT[name as keyof typeof STATUS]])
    ),
    reasons: table(
      ['reason', 'name', 'meaning'],
      Object.entries(CLOSE_REASON).map(([name, code]) => [
        `${code}`,
        name,
        REASON_TEXT[name as keyof typeof CLOSE_REASON]
      ])
    ),
    limits: table(['name', 'value', 'of what'], numbers)
  }
}

/** The document with each table between `<!-- table:NAME -->` and `<!-- /table -->` replaced. */
export function withTables(document: string): string {
  let text = document
  for (const [name, content] of Object.entries(specTables())) {
    const start = `<!-- table:${name} -->\n`
    const from = text.indexOf(start)
    const to = text.indexOf('<!-- /table -->', from)
    if (from === -1 || to === -1) throw new Error(`the document has no place for the table "${name}"`)
    text = `${text.slice(0, from + start.length)}${content}\n${text.slice(to)}`
  }
  return text
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeFile(SPEC, withTables(await readFile(SPEC, 'utf8')))
}
