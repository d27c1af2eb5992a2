import { encode } from '@ipld/dag-json'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { privateKeyToAccount } from 'viem/accounts'
import type { SignedStatement } from '../../../src/interface/index.ts'
import { sha256 } from '../../../src/statements/index.ts'
import { BASE, type Lie, type People, without } from './bundle.ts'

const stranger = privateKeyToAccount(`0x${'5e'.repeat(32)}`)
const other = `0x${'0f'.repeat(20)}` as const

/** One lie each, told with the right keys wherever the liar has them, and the link that must be named. */
export const LIES: Record<string, [link: RegExp, lie: (people: People) => Lie]> = {
  'another schema than the listing has': [/^offer → schema: /, () => ({ offer: { schema: new Uint8Array(32) } })],
  'no schema although the listing has one': [
    /^offer → schema: expected 0x[0-9a-f]{64}, found nothing/,
    () => ({ offer: { schema: undefined } as never })
  ],
  'larger records than the listing allows': [
    /^offer → maxRecordBytes: expected 65536, found 65537/,
    () => ({ offer: { maxRecordBytes: 65_537n } })
  ],
  'less credited than a resume said': [
    /^receipt → credited: expected at least 60001/,
    () => ({ raw: true, accept: { credited: 60_001n }, accepted: { amount: BASE + 60_001n } })
  ],
  'credit on resume that no voucher covers': [
    /^accept → proof → amount: expected at least 5007, found 5000/,
    () => ({ accept: { credited: 7n } })
  ],
  'more records invoiced than receipted': [
    /^invoice → n: expected at most 600, found 601/,
    () => ({
      raw: true,
      accept: { until: undefined } as never,
      order: { quantity: undefined } as never,
      invoice: { n: 601n, due: 60_100n }
    })
  ],
  'a second order': [
    /^order: expected one, found two/,
    () => ({ raw: true, statements: (all) => [...all.slice(0, 2), ...all.slice(1)] })
  ],
  'statements in another order': [
    /^statement 1: expected no offer after order, found offer/,
    () => ({ raw: true, statements: ([offer, order, ...rest]) => [order, offer, ...rest] as never })
  ],
  'no accept': [/^accept: expected one, found nothing/, () => ({ raw: true, statements: without('accept') })],
  'an acknowledgement without a receipt': [
    /^receipt-ack → receipt: expected nothing, found bafy/,
    () => ({ raw: true, statements: without('receipt') })
  ],
  'a voucher beside a receipt': [/^voucher: expected nothing, found one beside/, () => ({ raw: true, held: {} })],
  'k of nothing': [/^accept → k: /, () => ({ accept: { k: 0n } })],
  'a live start before the live end': [
    /^accept → start: expected at least the head 1000/,
    () => ({ order: { from: { live: true } } })
  ],
  'a document of other bytes than its CID': [
    /^block \S+: /,
    () => ({ listing: { bytes: encode({ title: 'Something dearer' }) } })
  ],
  'another document than the offer links': [/^offer → listing: /, (people) => ({ listing: anotherListing(people) })],
  'a document that is no listing': [/^listing: /, () => ({ document: { payment: 'later' } as never })],
  'a session that is not the order': [
    /^bundle → session: /,
    () => ({ session: 'bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy' })
  ],
  'an offer signed by somebody the listing does not name': [
    /^offer → signer: /,
    (people) => ({ signedBy: { offer: people.stranger } })
  ],
  'an accept signed by a stranger': [/^accept → signer: /, (people) => ({ signedBy: { accept: people.stranger } })],
  'an invoice signed by the buyer': [/^invoice → signer: /, (people) => ({ signedBy: { invoice: people.buyer } })],
  'a receipt signed by the buyer': [/^receipt → signer: /, (people) => ({ signedBy: { receipt: people.buyer } })],
  'an order signed by a stranger': [/^order → signer: /, (people) => ({ signedBy: { order: people.stranger } })],
  'an acknowledgement signed by the seller': [
    /^receipt-ack → signer: /,
    (people) => ({ signedBy: { 'receipt-ack': people.seller } })
  ],
  'an offer of another listing ID': [/^offer → listing ID: /, () => ({ offer: { listingId: `0x${'cd'.repeat(32)}` } })],
  'an acknowledgement of another receipt': [
    /^receipt-ack → receipt: /,
    () => ({
      raw: true,
      ack: { receipt: linkOf('bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy') }
    })
  ],
  'a receipt of another session': [
    /^receipt → session: /,
    () => ({ receipt: { session: linkOf('bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy') } })
  ],
  'an order of another offer': [
    /^order → offer: /,
    () => ({ order: { offer: linkOf('bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy') } })
  ],
  'an ordered price that was not offered': [/^order → price: /, () => ({ order: { price: 1n } })],
  'a price above the listing': [
    /^offer → price: .*at most the listing's 100 per 1/,
    () => ({ price: { amount: 101n } })
  ],
  'a payee whom the listing does not name': [
    /^offer → payTo: /,
    () => ({ price: { payTo: other }, config: { receiver: other } })
  ],
  'free records that the listing does not name': [
    /^offer → free from: /,
    () => ({ offer: { free: { from: 0n, to: 9n } } })
  ],
  'a channel that pays somebody else': [/^order → config\.receiver: /, () => ({ config: { receiver: other } })],
  'a channel of another token': [/^order → config\.token: /, () => ({ config: { token: other } })],
  'a channel of another authorizer': [
    /^order → config\.receiverAuthorizer: /,
    () => ({ config: { receiverAuthorizer: other } })
  ],
  'a shorter withdraw delay': [/^order → config\.withdrawDelay: /, () => ({ config: { withdrawDelay: 900 } })],
  'another start': [/^accept → start: expected 40, found 41/, () => ({ accept: { start: 41n } })],
  'more prepayment than ordered': [/^accept → ahead: /, () => ({ accept: { ahead: 2_001n } })],
  'another log epoch': [/^accept → epoch: /, () => ({ accept: { epoch: 8n } })],
  'a wrong sum': [/^receipt → due: expected 60000, found 60001/, () => ({ receipt: { due: 60_001n } })],
  'a wrong sum on the invoice': [/^invoice → due: /, () => ({ invoice: { due: 61_000n } })],
  'more than the buyer allowed': [
    /^invoice → due: expected at most 1000, found 60000/,
    () => ({ order: { maximum: 1_000n } })
  ],
  'records beyond the order': [/^invoice → n: /, () => ({ order: { quantity: 500n }, accept: { until: 540n } })],
  'an unused amount out of nowhere': [/^receipt → unused: expected 0, found 7/, () => ({ receipt: { unused: 7n } })],
  'less credited than an earlier invoice said': [
    /^invoice → credited: /,
    () => ({ raw: true, invoice: { credited: 60_001n } })
  ],
  'another root': [/^(invoice|receipt) → root: /, () => ({ receipt: { root: new Uint8Array(32) } })],
  'another root on both': [
    /^receipt → root: /,
    () => ({ receipt: { root: new Uint8Array(32) }, invoice: { root: new Uint8Array(32) } })
  ],
  'a part that is missing': [/^parts → records: expected 600, found 472/, () => ({ parts: (all) => all.slice(0, 2) })],
  'a gap between parts': [/^part 1 → first: /, () => ({ parts: ([a, , c]) => [a, c] as never })],
  'another digest of a part': [
    /^receipt → root: /,
    () => ({ parts: (all) => all.map((part) => ({ ...part, digest: new Uint8Array(32) })) })
  ],
  'a channel whose payer signed for another order': [
    /^order → channelAuth: /,
    () => ({ order: { nonce: new Uint8Array(16).fill(2) } })
  ],
  'a channel whose payer signed for none': [
    /^order → channelAuth: /,
    () => ({ order: { channelAuth: undefined } as never })
  ],
  'a channel in the name of an account that signed nothing': [
    /^order → accountAuth: /,
    () => ({ config: { payer: `0x${'c1'.repeat(20)}` } })
  ],
  'a voucher of another channel': [
    /^receipt → proof → channel: /,
    () => ({ voucher: { channelId: `0x${'99'.repeat(32)}` } })
  ],
  'a voucher that somebody else signed': [/^receipt → proof → signer: /, () => ({ voucher: { signer: stranger } })],
  'a voucher of too little': [
    /^receipt → proof → amount: expected at least 65000, found 64999/,
    () => ({ voucher: { amount: BASE + 59_999n } })
  ],
  'credit that no voucher covers': [
    /^accept → proof → amount: /,
    () => ({ accept: { credited: 1n }, accepted: { amount: BASE } })
  ],
  'credit without proof': [/^accept → credited: /, () => ({ accept: { credited: 1n, proof: undefined } as never })],
  'credit without a voucher': [/^receipt → proof: /, () => ({ receipt: { proof: undefined } as never })],
  'an order without a channel': [/^order → config: /, () => ({ order: { config: undefined } as never })],
  'a signature of other bytes': [
    /^receipt → signature: /,
    () => ({ statements: (all) => all.map((one) => (one.kind === 'receipt' ? withSignatureOf(one, all[0]) : one)) })
  ]
}

/** Well-formed, and of the same listing. */
function anotherListing({ seller }: People): { cid: string; bytes: Uint8Array } {
  const bytes = encode({
    v: 1,
    id: `0x${'ab'.repeat(32)}`,
    title: 'Records of a test',
    description: 'The same, for nothing',
    seller: { peerId: seller.peerId },
    schema: { encoding: 'json' },
    payment: [{ rail: 'free', price: { amount: '0', count: 1, unit: 'record' } }],
    issuedAt: '2026-01-01T00:00:00Z'
  })
  return { cid: CID.createV1(0x0129, Digest.create(0x12, sha256(bytes))).toString(), bytes }
}

function linkOf(text: string): never {
  return CID.parse(text) as never
}

function withSignatureOf(statement: SignedStatement, source: SignedStatement | undefined): SignedStatement {
  return { ...statement, signature: source?.signature ?? new Uint8Array(64) }
}
