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

const STATUS_TEXT: Record<keyof typeof STATUS, string> = {
  ok: 'nothing is wrong; may be sent at any time, and changes nothing but as the answer to RECEIPT_ACK: it is stored',
  toppingUp:
    'buyer: a deposit is on its way, which pauses the payment timer; seller: the channel is used up, top it up',
  unknownListing: 'the seller does not sell this listing document, or no longer this version',
  offerExpired: 'the offer is older than its `ttl`, or belongs to another stream',
  channelUnfunded: 'the channel or the wallet cannot pay the maximum of the order',
  limitsIncompatible: 'credit + prepay do not cover one record; `have` and `need` are given',
  forbidden: 'this buyer is not served',
  busy: 'too many sessions; try later',
  offsetPruned: 'the offset ordered is not kept, or not there yet',
  priceChanged: 'the offer asks more than the listing',
  budget: 'the buyer’s own limits do not allow it',
  noCommonRail: 'no way to pay of the offer is one of the buyer’s',
  termsOutsideOffer: 'ORDER is outside of OFFER, ACCEPT outside of ORDER, or OFFER outside of the listing',
  unknownSession: 'the session to resume is not known here',
  malformed: 'bytes that do not decode, or a statement that contradicts itself',
  unexpected: 'a frame that does not belong here, or with a position that cannot be',
  tooLarge: 'a frame over its limit',
  badSignature: 'a signature that does not verify, or of somebody who may not sign this',
  paymentInvalid: 'a PAYMENT that the rail refuses',
  transcriptMismatch: 'the root of an INVOICE or RECEIPT is not what was received',
  paymentTimeout: 'an INVOICE was not paid in time',
  schema: 'a record violates the schema of the offer',
  timeout: 'nothing came in time',
  versionUnsupported: 'none of the versions in HELLO is spoken here',
  accountMismatch: 'n, bytes, due or credited of an INVOICE or RECEIPT is not what was computed',
  internal: 'an error of the sender’s own; no detail is given',
  shuttingDown: 'the sender is going away'
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
  POSITION_TIMEOUT_MS: ['ms', 'with the flow limit reached, until a POSITION frees something; then `timeout`'],
  MAX_UNSTORED_BYTES: ['bytes', 'records sent that a crash of the seller may make it forget'],
  CHECKPOINT_EVERY_BLOCKS: ['blocks', 'this implementation, as seller, stores n, root(n) and what is due this often'],
  INVOICE_DELAY_MS: ['ms', 'longest time from the first uninvoiced record to its INVOICE'],
  PAYMENT_TIMEOUT_MS: ['ms', 'from the oldest unanswered INVOICE to its PAYMENT'],
  HELD_LOOK_MS: ['ms', 'a seller that holds a payment looks this often whether the channel covers it'],
  CREDIT_LOOK_MS: ['ms', 'a seller looks this often whether what leaves a resumed session no window is paid'],
  PING_AFTER_MS: ['ms', 'a side that sent nothing for this long sends PING'],
  STALL_TIMEOUT_MS: ['ms', 'a side whose frames were not read for this long gives up'],
  SILENCE_TIMEOUT_MS: [
    'ms',
    'a side that heard nothing for this long gives up; also from the buyer’s CLOSE to the seller’s'
  ],
  HELLO_TIMEOUT_MS: ['ms', 'stream open to HELLO; HELLO to OFFER or MENU'],
  ORDER_TIMEOUT_MS: ['ms', 'OFFER to ORDER'],
  ACCEPT_TIMEOUT_MS: ['ms', 'ORDER or RESUME to ACCEPT; a payment timer paused by `toppingUp`'],
  RECEIPT_TIMEOUT_MS: ['ms', 'CLOSE to the final INVOICE; it to RECEIPT; RECEIPT to RECEIPT_ACK; it to STATUS `ok`'],
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
      ['code', 'name', 'meaning'],
      Object.entries(STATUS).map(([name, code]) => [`${code}`, name, STATUS_TEXT[name as keyof typeof STATUS]])
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
