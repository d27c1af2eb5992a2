export const MUTATION_CLASSES = [
  'durability order',
  'voucher checks',
  'window arithmetic',
  'transcript',
  'resume position',
  'channel acceptance',
  'invoice triggers',
  'evidence verification',
  'chain state',
  'transfers'
] as const

/** A bug that somebody could write: one place of one file, changed. */
export interface Mutation {
  name: string
  class: (typeof MUTATION_CLASSES)[number]
  file: string
  /** Stands exactly once in the file. */
  from: string
  to: string
}

const PAYER_LANE = 'src/payments/evm/payer-lane.ts'
const PAYEE_LANE = 'src/payments/evm/payee-lane.ts'
const PAYER_SESSION = 'src/payments/evm/payer-session.ts'
const PAYEE_SESSION = 'src/payments/evm/payee-session.ts'
const PAYEE = 'src/payments/evm/payee.ts'
const CLAIM_PLAN = 'src/payments/evm/claim-plan.ts'
const IOTA_JUDGE = 'src/payments/iota/judge.ts'
const IOTA_PAYEE = 'src/payments/iota/payee-session.ts'
const IOTA_SPONSORED = 'src/payments/iota/sponsored.ts'
const ACCOUNT = 'src/protocols/sdpp/account.ts'
const SELLER_MACHINE = 'src/protocols/sdpp/seller-machine.ts'
const SELLER_STATE = 'src/protocols/sdpp/seller-state.ts'
const SELLER_DELIVERY = 'src/protocols/sdpp/seller-delivery.ts'
const SELLER_SESSION = 'src/protocols/sdpp/seller-session.ts'
const SELLER_RESUME = 'src/protocols/sdpp/seller-resume.ts'
const BUYER_SESSION = 'src/protocols/sdpp/buyer-session.ts'

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'a voucher leaves before it is stored',
    class: 'durability order',
    file: PAYER_SESSION,
    from: "    await this.#lane.store(options, this)\n    faultPoint('voucher.stored')",
    to: "    void this.#lane.store(options, this)\n    faultPoint('voucher.stored')"
  },
  {
    name: 'a payment is credited before it is stored',
    class: 'durability order',
    file: PAYEE_SESSION,
    from: "    await this.#lane.store(options, this)\n    faultPoint('payment.stored')",
    to: "    void this.#lane.store(options, this)\n    faultPoint('payment.stored')"
  },
  {
    name: 'a receipt is sent before it is stored',
    class: 'durability order',
    file: SELLER_SESSION,
    from: "    await this.#store([statement])\n    faultPoint('receipt.stored')",
    to: "    void this.#store([statement])\n    faultPoint('receipt.stored')"
  },
  {
    name: 'ACCEPT is sent before the session is stored',
    class: 'durability order',
    file: 'src/protocols/sdpp/seller-negotiation.ts',
    from: 'await sessions.put(record, { statements: [offer, statement, accept] }, { signal })',
    to: 'void sessions.put(record, { statements: [offer, statement, accept] }, { signal })'
  },
  {
    name: 'ORDER is sent before it is stored',
    class: 'durability order',
    file: 'src/protocols/sdpp/buyer-negotiation.ts',
    from: 'await sessions.put(record, { statements: [offer, statement] }, { signal })',
    to: 'void sessions.put(record, { statements: [offer, statement] }, { signal })'
  },
  {
    name: 'a top-up shows a voucher that is not stored yet',
    class: 'durability order',
    file: PAYER_SESSION,
    from: 'return this.#lane.storedVoucher',
    to: 'return this.#lane.voucher'
  },
  {
    name: 'what was signed before a restart is not counted as spent',
    class: 'durability order',
    file: PAYER_LANE,
    from: '    session.signed = signed\n',
    to: '    session.signed = signed - signed\n'
  },
  {
    name: 'an order is stored before its payments have a session',
    class: 'durability order',
    file: PAYER_SESSION,
    from: '    this.id = sessionId\n    await this.#lane.store(options, this)',
    to: '    await this.#lane.store(options, this)\n    this.id = sessionId'
  },
  {
    name: 'anybody may sign a voucher',
    class: 'voucher checks',
    file: 'src/payments/evm/voucher.ts',
    from: 'if (signer === expected.payerAuthorizer) return undefined',
    to: 'if (signer !== undefined) return undefined'
  },
  {
    name: 'a known signature serves any amount',
    class: 'voucher checks',
    file: PAYEE_LANE,
    from: 'if (known?.signature === signature && known.maxClaimableAmount === maxClaimableAmount) return undefined',
    to: 'if (known?.signature === signature) return undefined'
  },
  {
    name: 'one voucher pays in each session of its channel',
    class: 'voucher checks',
    file: PAYEE_LANE,
    from: 'if (total > maxClaimableAmount) {',
    to: 'if (this.channel.base + more > maxClaimableAmount) {'
  },
  {
    name: 'a lower voucher replaces a higher one',
    class: 'voucher checks',
    file: PAYEE_LANE,
    from: 'if (payload.maxClaimableAmount > this.highest) this.channel =',
    to: 'if (payload.maxClaimableAmount > 0n) this.channel ='
  },
  {
    name: 'a payer signs less than before',
    class: 'voucher checks',
    file: PAYER_LANE,
    from: 'if (this.voucher !== undefined && total <= signed) return this.voucher',
    to: 'if (this.voucher !== undefined && total === signed) return this.voucher'
  },
  {
    name: 'the window is one unit too wide',
    class: 'window arithmetic',
    file: SELLER_DELIVERY,
    from: 'let limit = state.credited + terms.credit',
    to: 'let limit = state.credited + terms.credit + 1n'
  },
  {
    name: 'the buyer pays one unit too far ahead',
    class: 'window arithmetic',
    file: ACCOUNT,
    from: 'const target = due(terms.price, received) + ahead',
    to: 'const target = due(terms.price, received) + ahead + 1n'
  },
  {
    name: 'a session that was stopped pays on',
    class: 'window arithmetic',
    file: 'src/protocols/sdpp/buyer-machine.ts',
    from: 'limit: state.limit ?? asked + (credit > unpaid ? credit : unpaid) }',
    to: 'limit: state.limit }'
  },
  {
    name: 'a part of a record is affordable',
    class: 'window arithmetic',
    file: 'src/interface/terms.ts',
    from: 'return (limit * unitsPerPrice(price)) / price.amount',
    to: 'return (limit * unitsPerPrice(price) + price.amount - 1n) / price.amount'
  },
  {
    name: 'other open sessions do not count against trust',
    class: 'window arithmetic',
    file: 'src/protocols/sdpp/trust.ts',
    from: 'creditLimit(standing, request) - standing.open, floor)',
    to: 'creditLimit(standing, request), floor)'
  },
  {
    name: 'free records use the window up',
    class: 'window arithmetic',
    file: ACCOUNT,
    from: "    if (isFree(terms.free, records.first + BigInt(index))) continue\n    used += terms.price.unit === 'KiB' ? sizeOf(records, index) : 1n",
    to: "    used += terms.price.unit === 'KiB' ? sizeOf(records, index) : 1n"
  },
  {
    name: 'a part does not count its records',
    class: 'transcript',
    file: 'src/statements/transcript.ts',
    from: 'bytes.writeUInt32BE(part.count, 40)',
    to: 'bytes.writeUInt32BE(0, 40)'
  },
  {
    name: 'the buyer pays on any root',
    class: 'transcript',
    file: BUYER_SESSION,
    from: 'return equalBytes(root, (this.#active as ActiveSession).ledger.transcript.root())',
    to: 'return root.length === 32 && this.#active !== undefined'
  },
  {
    name: 'the end of a block passes for the whole block',
    class: 'transcript',
    file: SELLER_SESSION,
    from: 'const whole = from === 0 && endOfBlock',
    to: 'const whole = endOfBlock'
  },
  {
    name: 'a resume is not compared with the log',
    class: 'resume position',
    file: SELLER_RESUME,
    from: 'if (!equalBytes(transcript.root(), resume.root)) {',
    to: 'if (resume.root.length !== 32) {'
  },
  {
    name: 'what was sent before the cut is forgotten',
    class: 'resume position',
    file: SELLER_RESUME,
    from: 'const sentBefore = position > sent.n ? position : sent.n',
    to: 'const sentBefore = sent.n'
  },
  {
    name: 'a voucher that was lost with the stream does not count',
    class: 'resume position',
    file: SELLER_RESUME,
    from: 'payload === undefined || paid <= rail.credited ||',
    to: 'payload === undefined || paid >= rail.credited ||'
  },
  {
    name: 'records that the consumer has come again',
    class: 'resume position',
    file: 'src/protocols/sdpp/buyer-delivery.ts',
    from: 'const skip = this.position.known(from)',
    to: 'const skip = 0'
  },
  {
    name: 'the checkpoint is ahead of the consumer',
    class: 'resume position',
    file: 'src/protocols/sdpp/session-ledger.ts',
    from: 'const handled = next === -1 ? this.#ends.splice(0) : this.#ends.splice(0, next)',
    to: 'const handled = next === 0 ? this.#ends.splice(0, 1) : this.#ends.splice(0)'
  },
  {
    name: 'a stored checkpoint counts one record too many',
    class: 'resume position',
    file: 'src/protocols/sdpp/session-ledger.ts',
    from: 'this.#checkpoints.add([end])',
    to: 'this.#checkpoints.add([{ ...end, records: end.records + 1n }])'
  },
  {
    name: 'closing at an old position takes money back',
    class: 'resume position',
    file: SELLER_MACHINE,
    from: 'if (hasSentAgain({ ...state, reason })) return endStreaming(state, reason, now)',
    to: "if (state.phase === 'streaming') return endStreaming(state, reason, now)"
  },
  {
    name: 'a position that a crash lost is not made up from the payments',
    class: 'resume position',
    file: SELLER_RESUME,
    from: 'dueBefore: received > due ? received : due, credited }',
    to: 'dueBefore: received > due ? due : due, credited }'
  },
  {
    name: 'a settled session is paid once more',
    class: 'resume position',
    file: SELLER_SESSION,
    from: 'if (isSettled({ receipt: resumed?.receipt })) return',
    to: 'if (isSettled({ receipt: undefined }) && resumed !== undefined) return'
  },
  {
    name: 'a receipt passes for all records, also those that the consumer had not stored',
    class: 'resume position',
    file: 'src/protocols/sdpp/stored-session.ts',
    from: 'return receipt !== undefined && record.position >= receipt.content.n',
    to: 'return receipt !== undefined && record.position >= 0n'
  },
  {
    name: 'the older stream of a session is not waited for',
    class: 'resume position',
    file: SELLER_RESUME,
    from: 'await components.takeOver(id)',
    to: 'void components.takeOver(id)'
  },
  {
    name: 'a restored buyer forgets what the seller has of it',
    class: 'resume position',
    file: 'src/protocols/sdpp/buyer-accept.ts',
    from: 'const paid = credited > payer.paid ? credited : payer.paid',
    to: 'const paid = payer.paid'
  },
  {
    name: 'a part that begins inside a block has the digest of the block',
    class: 'transcript',
    file: 'src/protocols/sdpp/replay.ts',
    from: 'first === 0 && endOfBlock ?',
    to: 'endOfBlock ?'
  },
  {
    name: 'what is read again begins with the block, not with the session',
    class: 'resume position',
    file: 'src/protocols/sdpp/replay.ts',
    from: 'progress, { first: block.first, count: block.count, ends }, first, to)',
    to: 'progress, { first: block.first, count: block.count, ends }, 0, to)'
  },
  {
    name: 'a purchase that goes on forgets what its consumer took after the last mark',
    class: 'resume position',
    file: 'src/node/session-opener.ts',
    from: 'return { stored, delivered, ...',
    to: 'return { stored, delivered: stored.record.position, ...'
  },
  {
    name: 'before anything comes over a new stream nothing counts as handed out',
    class: 'resume position',
    file: 'src/protocols/sdpp/buyer-position.ts',
    from: 'return delivered > this.#already ? delivered : this.#already',
    to: 'return delivered'
  },
  {
    name: 'a session that is opened anew takes back what it had not used',
    class: 'resume position',
    file: PAYEE_LANE,
    from: 'paid: stored?.consumed ?? 0n',
    to: 'paid: stored?.paid ?? 0n'
  },
  {
    name: 'any withdraw delay will do',
    class: 'channel acceptance',
    file: PAYEE,
    from: "['withdrawDelay', terms.withdrawDelay ?? this.#init.withdrawDelay]",
    to: "['withdrawDelay', config.withdrawDelay]"
  },
  {
    name: 'the channel may name another receiver authorizer',
    class: 'channel acceptance',
    file: PAYEE,
    from: "['receiverAuthorizer', receiverAuthorizer]",
    to: "['receiverAuthorizer', receiverAuthorizer && config.receiverAuthorizer]"
  },
  {
    name: 'a base that nobody has paid for is taken',
    class: 'channel acceptance',
    file: PAYER_SESSION,
    from: 'if (base <= known) return',
    to: 'if (base <= signed) return'
  },
  {
    name: 'what was paid in a session that the seller takes up no more is forgotten',
    class: 'window arithmetic',
    file: BUYER_SESSION,
    from: 'return aheadOf(payer.paid, this.#state, this.#before)',
    to: 'return this.#active === undefined ? 0n : aheadOf(payer.paid, this.#state, this.#before)'
  },
  {
    name: 'a channel without enough in it is accepted',
    class: 'channel acceptance',
    file: PAYEE,
    from: 'if (free < request.maximum) {',
    to: 'if (free < 0n) {'
  },
  {
    name: 'anybody may order on a channel',
    class: 'channel acceptance',
    file: PAYEE,
    from: 'if (signer !== expected) throw',
    to: 'if (signer === undefined) throw'
  },
  {
    name: 'whoever is named as payer counts as one who signed',
    class: 'channel acceptance',
    file: 'src/protocols/sdpp/negotiation.ts',
    from: ': { named: payer }',
    to: ': { account: payer }'
  },
  {
    name: 'what is being withdrawn counts as cover',
    class: 'channel acceptance',
    file: PAYEE_LANE,
    from: 'return balance > leaving ? balance - leaving : 0n',
    to: 'return balance + leaving - leaving'
  },
  {
    name: 'two orders are promised the same deposit',
    class: 'channel acceptance',
    file: PAYEE_LANE,
    from: 'if (session !== except) committed += session.promised',
    to: 'if (session !== except) committed += session.paid'
  },
  {
    name: 'an invoice comes one granularity late',
    class: 'invoice triggers',
    file: ACCOUNT,
    from: 'return (offset / terms.k + 1n) * terms.k - terms.start',
    to: 'return (offset / terms.k + 2n) * terms.k - terms.start'
  },
  {
    name: 'no invoice for one last record before the window is full',
    class: 'invoice triggers',
    file: SELLER_DELIVERY,
    from: 'if (state.sent.n > state.invoiced.n && !isOneOpen(state)) {',
    to: 'if (state.sent.n > state.invoiced.n + 1n && !isOneOpen(state)) {'
  },
  {
    name: 'records wait for an invoice for ever',
    class: 'invoice triggers',
    file: SELLER_STATE,
    from: 'waits ? Number.POSITIVE_INFINITY : uninvoicedSince + INVOICE_DELAY_MS',
    to: 'waits ? Number.POSITIVE_INFINITY : Number.POSITIVE_INFINITY + INVOICE_DELAY_MS'
  },
  {
    name: 'a receipt comes before the last payment',
    class: 'invoice triggers',
    file: SELLER_STATE,
    from: 'if (settling.due > settling.credited && reason !== CLOSE_REASON.schema)',
    to: 'if (settling.due > settling.credited && reason === CLOSE_REASON.buyerDone)'
  },
  {
    name: 'signatures of statements are not verified',
    class: 'evidence verification',
    file: 'src/evidence/chain.ts',
    from: 'if (!verifyStatement(statement)) {',
    to: 'if (!verifyStatement(statement) && signature.length !== 64) {'
  },
  {
    name: 'an order of another offer is taken',
    class: 'evidence verification',
    file: 'src/evidence/chain.ts',
    from: "same('order → offer', offer.cid, order.content.offer.toString())",
    to: "same('order → offer', order.content.offer.toString(), order.content.offer.toString())"
  },
  {
    name: 'parts need not add up to the root',
    class: 'evidence verification',
    file: 'src/evidence/account.ts',
    from: 'if (root !== undefined && !equalBytes(c, root)) throw',
    to: 'if (root !== undefined && !equalBytes(c, c)) throw'
  },
  {
    name: 'a voucher may be for less than was credited',
    class: 'evidence verification',
    file: 'src/evidence/voucher.ts',
    from: 'if (voucher.maxClaimableAmount < amount)',
    to: 'if (voucher.maxClaimableAmount < 0n)'
  },
  {
    name: 'a withdrawal does not press',
    class: 'chain state',
    file: CLAIM_PLAN,
    from: 'return withdrawing || orphaned || ageSeconds >= oldAfter',
    to: 'return (withdrawing && orphaned) || ageSeconds >= oldAfter'
  },
  {
    name: 'an answer of the chain replaces one that was asked for later',
    class: 'chain state',
    file: PAYEE_LANE,
    from: 'if (read < this.#newest) return',
    to: 'if (read < 0) return'
  },
  {
    name: 'a silent chain is trusted',
    class: 'chain state',
    file: 'src/payments/evm/chain-health.ts',
    from: 'if (silentMs <= this.#limitMs) return',
    to: 'if (silentMs <= this.#limitMs * 1e6) return'
  },
  {
    name: 'an orphaned deposit is not noticed',
    class: 'chain state',
    file: PAYEE_LANE,
    from: 'if (total <= this.balance) return\n',
    to: 'if (total <= this.balance + more) return\n'
  },
  {
    name: 'a transaction that pays too little is enough',
    class: 'transfers',
    file: IOTA_JUDGE,
    from: 'if (received < amount)',
    to: 'if (received < amount - 1n)'
  },
  {
    name: 'the memo of a payment is not compared',
    class: 'transfers',
    file: IOTA_JUDGE,
    from: 'if (!memos.some((one) => Buffer.compare(one, memo) === 0))',
    to: 'if (!memos.some((one) => one.length === memo.length))'
  },
  {
    name: 'a transaction that failed counts',
    class: 'transfers',
    file: IOTA_JUDGE,
    from: 'if (failure !== undefined)',
    to: 'if (failure === null)'
  },
  {
    name: 'an invoice of another session is answered',
    class: 'transfers',
    file: IOTA_PAYEE,
    from: 'if (session.toString() !== this.#id)',
    to: 'if (session.toString() === this.#id && issuer === undefined)'
  },
  {
    name: 'a sponsor signs what moves its coin',
    class: 'transfers',
    file: IOTA_SPONSORED,
    from: 'if (commands.some(usesGasCoin))',
    to: 'if (commands.every(usesGasCoin))'
  }
]
