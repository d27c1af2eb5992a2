import { resolve } from 'node:path'
import { Option } from 'commander'
import { type Currency, DdmError, EXIT_CODES, formatUnits, type SessionRole } from '../../interface/index.ts'
import type { OnLedger, ReceiptSummary, VerifiedReceipt } from '../../node/index.ts'
import { type Context, currencyOf, loadNode, moneyText, type Register, withNode } from '../context.ts'
import { short, table } from '../table.ts'

const ROLES: SessionRole[] = ['buyer', 'seller']
const PREVIEW = 160

export const receipts: Register = (program, act) => {
  const group = program.command('receipts').description('what was bought and sold, as evidence that verifies offline')
  group
    .command('list')
    .description('sessions of this home')
    .addOption(new Option('--role <role>', 'only what this home bought (buyer) or sold (seller)').choices(ROLES))
    .option('--state <state>', 'only sessions in this state, such as closed or failed')
    .action(act(list))
  group
    .command('export')
    .description('write the signed statements of a session to a file that verifies alone')
    .argument('<session>', 'session ID or a unique beginning of it')
    .option('-o, --output <file>', 'file to write (default: SESSION.car)')
    .addOption(new Option('--role <role>', 'when this home sold to itself: which side').choices(ROLES))
    .action(act(exportReceipt))
  group
    .command('verify')
    .description('verify exported receipts from the files alone: no node, no network, no chain')
    .argument('<file...>', 'files that "receipts export" wrote')
    .option('--onledger', 'also look up on the ledgers of the network what was recorded, and paid by transactions')
    .action(act(verify))
}

async function list(context: Context, filter: { role?: SessionRole; state?: string }): Promise<undefined> {
  const { output, signal } = context
  return withNode(context, { logLevel: 'error' }, async (node) => {
    const all = await node.receipts.list({ ...filter, signal })
    const amounts = ({ rail, due, paid }: ReceiptSummary) => {
      const { decimals, symbol } = currencyOf(node, rail)
      return { due: formatUnits(due, decimals), paid: formatUnits(paid, decimals), symbol }
    }
    if (output.json) for (const one of all) output.result({ ...one, ...amounts(one) })
    else if (all.length === 0) {
      const some = filter.role !== undefined || filter.state !== undefined
      output.note(some ? 'No session of this home is like that.' : 'This home has bought and sold nothing yet.')
    } else {
      const rows = all.map((one) => [
        short(one.session, 24),
        one.role === 'buyer' ? 'bought' : 'sold',
        short(one.listing, 12),
        String(one.records),
        `${amounts(one).due} ${amounts(one).symbol}`,
        `${amounts(one).paid} ${amounts(one).symbol}`,
        one.state,
        new Date(one.at).toISOString().slice(0, 19)
      ])
      output.result(undefined, ...table(['SESSION', '', 'LISTING', 'RECORDS', 'DUE', 'PAID', 'STATE', 'AT'], rows))
    }
    return undefined
  })
}

async function exportReceipt(
  context: Context,
  session: string,
  { output: file, role }: { output?: string; role?: SessionRole }
): Promise<undefined> {
  const { output, signal } = context
  return withNode(context, { logLevel: 'error' }, async (node) => {
    const path = resolve(file ?? `${session}.car`)
    const bundle = await node.receipts.export(session, path, { signal, ...(role === undefined ? {} : { role }) })
    output.result(
      { file: path, ...json(bundle) },
      `Written: ${path}`,
      ...(await summary(bundle, currencyOf(node, bundle.rail)))
    )
    return undefined
  })
}

/** One file that does not verify is an error; of several, each is reported. */
async function verify(
  context: Context,
  files: string[],
  { onledger }: { onledger?: boolean }
): Promise<number | undefined> {
  if (onledger !== true) return verifyFiles(context, files)
  const onLedger = await ledgersOf(context)
  try {
    return await verifyFiles(context, files, onLedger)
  } finally {
    await onLedger.close()
  }
}

/** Those of the network profile; the node itself is not started. */
async function ledgersOf({ flags, signal }: Context): Promise<OnLedger> {
  const { createLogger, homePaths, openOnLedger, readNetworkFile, parseProfile, readProfile, resolveHome } =
    await loadNode()
  const { network, home } = flags
  const profile =
    network === undefined
      ? parseProfile(await readNetworkFile(homePaths(resolveHome(home))))
      : await readProfile(network)
  return openOnLedger(profile, createLogger({ level: 'error' }), { signal })
}

/** What a ledger should show and does not is an error, too: the file is right in itself, and is not believed. */
function missingOf({ transfers, recorded }: VerifiedReceipt): string[] {
  return [...transfers, ...recorded].flatMap(({ found, problem }) => (found === false ? (problem ?? 'not found') : []))
}

async function verifyFiles(
  { output, signal }: Context,
  files: string[],
  onLedger?: OnLedger
): Promise<number | undefined> {
  const { verifyReceipt } = await loadNode()
  let code: number | undefined
  for (const [index, file] of files.entries()) {
    try {
      const verifying = verifyReceipt(file, { signal, ...(onLedger === undefined ? {} : { onLedger }) })
      const bundle = await output.during(`Verifying ${file} (${index + 1} of ${files.length})`, verifying)
      const missing = missingOf(bundle)
      if (missing.length > 0) code ??= EXIT_CODES.evidence
      const verdict = missing.length === 0 ? 'verified' : `NOT ON THE LEDGER: ${missing[0]}`
      output.result(
        { file, verified: missing.length === 0, ...json(bundle) },
        `${file}: ${verdict}`,
        ...(await summary(bundle))
      )
    } catch (error) {
      if (!(error instanceof DdmError) || files.length === 1) throw error
      const { code: name, message, details } = error
      output.result({ file, verified: false, error: { code: name, message, details } }, `${file}: REFUSED: ${message}`)
      code ??= EXIT_CODES[name]
    }
  }
  return code
}

/** For programs: bytes as hex. */
function json({ violation, price, ...bundle }: VerifiedReceipt): Record<string, unknown> {
  const shown = violation && { ...violation, record: `0x${Buffer.from(violation.record).toString('hex')}` }
  return { ...bundle, price, ...(shown === undefined ? {} : { violation: shown }) }
}

/** Without a network profile nobody knows a token's decimals: then amounts are atomic units. */
async function summary(bundle: VerifiedReceipt, currency?: Currency): Promise<string[]> {
  const { transactionName } = await loadNode()
  const amount = (value: bigint): string =>
    currency === undefined ? `${value} atomic units` : moneyText(value, currency)
  const { complete, reason, acknowledged, price, violation, unproven, disputed, voucher, unpaid, unused } = bundle
  const per = price.count === 1n ? price.unit : `${price.count} ${price.unit === 'KiB' ? 'KiB' : 'records'}`
  const lines = [
    `${bundle.records} records from offset ${bundle.start} (${bundle.bytes} bytes to pay for) of "${bundle.title}", at ${amount(price.amount)} per ${per}`,
    `due ${amount(bundle.due)}, credited ${amount(bundle.credited)}, ${bundle.statements} statements`
  ]
  if (unpaid > 0n) lines.push(`UNPAID ${amount(unpaid)}`)
  if (unused > 0n) lines.push(`paid in advance and not used: ${amount(unused)}`)
  if (complete) lines.push(`receipt (${reason}), ${acknowledged ? 'acknowledged by the buyer' : 'not acknowledged'}`)
  else lines.push("INCOMPLETE: no receipt; the numbers are those of the seller's last invoice")
  if (!bundle.transcript) lines.push('parts not in the file: the root of the transcript is signed, not shown')
  if (voucher !== undefined) {
    lines.push(
      `the buyer's voucher: ${amount(voucher.maxClaimableAmount)} for all sessions on channel ${voucher.channelId}`
    )
  }
  for (const { transaction, amount: moved, found } of bundle.transfers) {
    lines.push(`paid ${amount(moved)} by transaction ${transactionName(bundle.rail, transaction)}${foundText(found)}`)
  }
  for (const { kind, medium, network, transaction, at, found } of bundle.recorded) {
    const when = new Date(at).toISOString()
    lines.push(`${kind} recorded on ${medium} (${network}) by ${transaction} at ${when}${foundText(found)}`)
  }
  if (violation !== undefined) {
    lines.push(`VIOLATION: record ${violation.offset} breaks the listing's schema: ${violation.reason}`)
    lines.push(`  ${preview(violation.record)}`)
  }
  if (unproven !== undefined) {
    lines.push(`a record broke the schema (${unproven}), but the seller signed nothing that covers it`)
  }
  if (disputed !== undefined) lines.push(`a later invoice was refused and is left out: ${disputed}`)
  lines.push(`buyer  ${bundle.buyer}`, `seller ${bundle.seller}`)
  lines.push(...payerLines(bundle))
  return lines.map((line) => `  ${line}`)
}

/** Who answers for the money. `credited` is the seller's word, so nothing is said to be paid without it. */
function payerLines({ payer, payerAuthorizer, asset, escrow, credited }: VerifiedReceipt): string[] {
  if (payer === undefined) return []
  const paid = credited > 0n ? 'paid' : 'to be paid'
  if (payerAuthorizer === undefined) return [`${paid} in ${asset} by ${payer}, which signed for the order`]
  return [
    `${paid} in ${asset} through escrow ${escrow}; ${payerAuthorizer} signed for it`,
    `payer  ${payer}: named by the channel; its deposit on the chain shows it`
  ]
}

/** The root of a bundle is signed by nobody: what only it says is told as its word until a ledger was asked. */
function foundText(found: boolean | undefined): string {
  if (found === undefined) return ", by the file's word"
  return found ? ': on the ledger' : ': NOT on the ledger'
}

function preview(record: Uint8Array): string {
  const text = new TextDecoder().decode(record.subarray(0, PREVIEW))
  return record.length > PREVIEW ? `${text}… (${record.length} bytes)` : text
}
