import { resolve } from 'node:path'
import { type Currency, type DataSink, DdmError, formatUnits, type SessionRecord } from '../../interface/index.ts'
import type { PurchaseOutcome, SessionExposure } from '../../node/index.ts'
import { type Context, currencyOf, loadNode, moneyText, type Register, withNode } from '../context.ts'
import { type DownloadFlags, endsWith, headerOption, recordStream, settled } from '../sink.ts'
import { short, table } from '../table.ts'
import { ON_INVALID, type ResumeFlags, refundOption, resumeOf, resumeOptions } from '../wish.ts'
import { qualityLines } from './buy.ts'

type TargetFlags = Pick<DownloadFlags, 'output' | 'to' | 'header'> & { elsewhere?: boolean }

export const sessions: Register = (program, act) => {
  const group = program.command('sessions').description('what was bought and sold, and what was cut and can go on')
  group.command('list').description('sessions of this home, the newest last').action(act(list))
  group
    .command('show')
    .description('one session: where it stands, and what this side may lose')
    .argument('<session>', 'session ID or a unique beginning of it')
    .action(act(show))
  const resuming = group
    .command('resume')
    .description('go on with a purchase that was cut: what was paid and is missing comes again for nothing')
    .argument('<session>', 'session ID or a unique beginning of it')
    .option('-o, --output <file>', 'add the records to this file (default: where the session wrote them before)')
    .option('--to <sink>', 'send the records on, to the same sink as before; its name, with its password')
    .option(
      '--elsewhere',
      'write what is missing to another file, sink or stdout than before; the one before keeps what it has'
    )
  resumeOptions(headerOption(resuming), {
    resumeFor: 'go on trying to reach the seller for so long (default: 5m)',
    onInvalid: ON_INVALID
  })
  refundOption(resuming).action(act(resume))
}

async function list(context: Context): Promise<undefined> {
  const { output, signal } = context
  return withNode(context, { logLevel: 'error' }, async (node) => {
    const all = await node.sessions.list({ signal })
    if (output.json) for (const one of all) output.result(shown(one, currencyOf(node, one.rail)))
    else if (all.length === 0) output.note('This home has no sessions yet.')
    else {
      const rows = all.map(({ id, role, peer, rail, position, due, paid, state, updatedAt }) => [
        short(id, 24),
        role === 'buyer' ? 'bought' : 'sold',
        short(peer, 16),
        String(position),
        moneyText(due, currencyOf(node, rail)),
        moneyText(paid, currencyOf(node, rail)),
        state,
        new Date(updatedAt).toISOString().slice(0, 19)
      ])
      const header = ['SESSION', '', 'WITH', 'RECORDS', 'DUE', 'PAID', 'STATE', 'AT']
      output.result(undefined, ...table(header, rows))
    }
    return undefined
  })
}

async function show(context: Context, id: string): Promise<undefined> {
  const { output, signal } = context
  return withNode(context, { logLevel: 'error' }, async (node) => {
    const record = await node.sessions.get(id, { signal })
    const exposure = await node.sessions.exposure(record, { signal })
    const currency = currencyOf(node, record.rail)
    const amount = (value: bigint): string => formatUnits(value, currency.decimals)
    const { window, pending, unclaimed, unconfirmed, locked, bound, withdrawDelay } = exposure
    const value = {
      ...shown(record, currency),
      window: amount(window),
      pending: amount(pending),
      unclaimed: amount(unclaimed),
      unconfirmed: amount(unconfirmed),
      locked: amount(locked),
      withdrawDelay,
      atMostLost: amount(bound)
    }
    output.result(value, ...described(record, exposure, (atomic) => moneyText(atomic, currency)))
    return undefined
  })
}

function described(
  { id, role, peer, listingId, state, start, position, due, paid, needed, limit }: SessionRecord,
  { window, pending, unclaimed, unconfirmed, locked, bound, withdrawDelay = 0 }: SessionExposure,
  money: (atomic: bigint) => string
): string[] {
  const selling = role === 'seller'
  const rows: Array<[string, string]> = [
    ['session', id],
    [selling ? 'sold to' : 'bought from', peer],
    ['listing', listingId],
    ['state', state],
    ['records', `${position} from offset ${start}`],
    ['due', money(due)],
    [selling ? 'credited' : 'paid', money(paid)],
    ['window', `${money(window)} (${selling ? 'delivered before it is paid' : 'paid before it is delivered'})`]
  ]
  if (pending > 0n) {
    rows.push([
      'pending',
      `${money(pending)} (of what is paid, the seller has not confirmed it yet: on its way, not failed)`
    ])
  }
  if (limit !== undefined) rows.push(['stopped', `pays ${money(limit)} at most, whatever the seller still sends`])
  if (needed !== undefined) {
    rows.push(['too small', `the window held the stream back; ${money(needed)} would not`])
  }
  if (selling) {
    rows.push(['unclaimed', `${money(unclaimed)} (vouchers of the channel that are not on the chain yet)`])
    rows.push(['unconfirmed', `${money(unconfirmed)} (deposits that are not final yet)`])
  } else if (locked > 0n) {
    const hours = Math.ceil(withdrawDelay / 3600)
    rows.push(['deposit left', `${money(locked)} (yours; without the seller it takes ${hours} h to get it back)`])
  }
  rows.push(['at most lost', money(bound)])
  return rows.map(([name, text]) => `${name.padEnd(13)} ${text}`)
}

function shown(record: SessionRecord, { symbol, decimals }: Currency) {
  const amount = (value: bigint): string => formatUnits(value, decimals)
  const { id, role, listingId, peer, state, rail, channelId, start, position, due, paid, credit, needed, limit } =
    record
  return {
    session: id,
    role,
    listing: listingId,
    peer,
    state,
    rail,
    channel: channelId,
    start,
    records: position,
    due: amount(due),
    paid: amount(paid),
    window: amount(credit),
    paysAtMost: limit === undefined ? undefined : amount(limit),
    windowNeeded: needed === undefined ? undefined : amount(needed),
    symbol,
    openedAt: new Date(record.openedAt).toISOString(),
    updatedAt: new Date(record.updatedAt).toISOString()
  }
}

async function resume(context: Context, id: string, flags: TargetFlags & ResumeFlags): Promise<undefined> {
  const { signal, output } = context
  return withNode(context, { logLevel: 'error' }, async (node) => {
    const { pour } = await loadNode()
    const record = await node.sessions.get(id, { signal })
    const { sink: target, elsewhere } = await targetOf(record, flags)
    const sink = endsWith(signal, target)
    const purchase = await node.sessions.resume(record.id, { signal, ...resumeOf(flags) })
    try {
      if (elsewhere) await cutBack(record, (text) => output.note(text))
      await pour(purchase, sink, { elsewhere })
      await sink.close()
      report(context, await purchase.done, currencyOf(node, record.rail))
    } catch (error) {
      throw await settled(error, purchase, flags.to)
    } finally {
      purchase.stop()
      await Promise.allSettled([purchase.done, sink.close()])
    }
    return undefined
  })
}

interface Target {
  sink: DataSink
  /** Whether it takes the place of the one before. */
  elsewhere: boolean
}

/** Where the session wrote before: a file goes on by itself, a server is named again, because its password is not kept. */
async function targetOf(record: SessionRecord, flags: TargetFlags): Promise<Target> {
  const { resumeFileSink } = await loadNode()
  const { output, to, elsewhere = false } = flags
  if (output !== undefined && to !== undefined) throw new DdmError('usage', 'give --output or --to, not both')
  const { id, sink: mark, position } = record
  if (mark === undefined) return { sink: await openTarget(record, flags), elsewhere: false }
  const before = placeOf(mark)
  const place = before.file ?? before.to
  const written = `session ${id} has written ${position} records to ${place ?? 'a program that keeps a mark of its own'}`
  const orElsewhere = 'to write the rest somewhere else, add --elsewhere'
  const isUnnamed = output === undefined && to === undefined && !elsewhere
  if (isUnnamed && before.file === undefined) {
    const again = before.to === undefined ? 'it goes on there' : 'name it again with --to'
    throw new DdmError('usage', `${written}; ${again}, or ${orElsewhere}`)
  }
  if (isUnnamed || (output !== undefined && resolve(output) === before.file)) {
    return { sink: await resumeFileSink(mark), elsewhere: false }
  }
  const refusal = new DdmError('usage', `${written} and goes on there; ${orElsewhere}`)
  // Known without making the file.
  if (output !== undefined && !elsewhere) throw refusal
  const sink = await openTarget(record, flags)
  const { file, to: server } = placeOf((await sink.mark?.()) ?? '{}')
  if (place !== undefined && file === before.file && server === before.to) {
    if (file === undefined) return { sink, elsewhere: false }
    await sink.close()
    return { sink: await resumeFileSink(mark), elsewhere: false }
  }
  if (elsewhere) return { sink, elsewhere }
  await sink.close()
  throw refusal
}

/** Of a mark: the file, or the server's name; neither of one that a program made for itself. */
function placeOf(mark: string): { file?: string; to?: string } {
  try {
    const { file, to } = JSON.parse(mark) as { file?: unknown; to?: unknown }
    return { ...(typeof file === 'string' ? { file } : {}), ...(typeof to === 'string' ? { to } : {}) }
  } catch {
    return {}
  }
}

/** What the flags name, to be added to; standard output without any. */
async function openTarget({ listingId }: SessionRecord, { output, to, header }: TargetFlags): Promise<DataSink> {
  const { fileSink, jsonLinesSink, parseSink } = await loadNode()
  if (output !== undefined) return fileSink(resolve(output), { append: true })
  if (to === undefined) return jsonLinesSink(recordStream())
  return parseSink(to, {
    append: true,
    stdout: recordStream(),
    product: listingId,
    ...(header === undefined ? {} : { headers: header })
  })
}

/** What a file has beyond its mark comes to the new target: cut off, both together have every record once. */
async function cutBack({ sink: mark = '{}' }: SessionRecord, note: (text: string) => void): Promise<void> {
  const { file } = placeOf(mark)
  if (file === undefined) return
  const { resumeFileSink } = await loadNode()
  try {
    const sink = await resumeFileSink(mark)
    await sink.close()
  } catch (error) {
    note(`${file} stays as it is, it may have records that come again: ${(error as Error).message}`)
  }
}

function report(
  { output }: Context,
  { session, records, due, paid, reason, resumes, quality }: PurchaseOutcome,
  { symbol, decimals }: Currency
): void {
  const amounts = { due: formatUnits(due, decimals), paid: formatUnits(paid, decimals), symbol }
  output.aside(
    { event: 'bought', session, records: Number(records), ...amounts, reason, resumes, quality },
    `${records} records in all for ${amounts.due} ${symbol}, paid ${amounts.paid} (${reason})`,
    ...qualityLines(quality),
    `Receipt: ddm receipts export ${session}`
  )
}
