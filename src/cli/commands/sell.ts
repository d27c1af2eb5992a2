import type { Command } from 'commander'
import { DdmError, formatUnits } from '../../interface/index.ts'
import type { DdmNode, Sale, SellOptions } from '../../node/index.ts'
import { header, timeSpan, wholeNumber, words } from '../arguments.ts'
import { type Context, currencyOf, type Register, withNode } from '../context.ts'
import { pricesText } from '../listing.ts'
import { onRequest } from '../parent.ts'
import { type ProductFlags, productFromFlags, productsFromFile } from '../products.ts'
import { stopped } from '../stop.ts'

interface Options extends ProductFlags {
  config?: string
  claimOnClose?: boolean
}

const PROGRESS_MS = 500

/** Of the command's own flags these go with a file of products; all others say of one product what the file says of each. */
const BESIDE_FILE = new Set(['config', 'claimOnClose'])

export const sell: Register = (program, act) => {
  const command = program
    .command('sell')
    .description('publish products and serve them until stopped')
    .option('--name <title>', 'title of the product')
    .option('--description <text>')
    .option('--keywords <words>', 'separated by commas', words)
    .option(
      '--price <price...>',
      'like 0.0001/record, 0.02/100 records, 0.001/KiB, "0.01 IOTA/record"; several: each buyer picks one; 0 gives it away'
    )
    .option(
      '--source <source>',
      'telemetry, stdin (JSON lines), csv:FILE, tail:FILE, exec:COMMAND, https://HOST/PATH, mqtt://HOST/TOPIC … (docs/guides/connectors.md)'
    )
    .option('--on-error <action>', 'for a line that cannot be read: stop or skip', 'stop')
    .option(
      '--select <fields>',
      'sell these fields only, separated by commas; nested ones by dots: time,wind.speed',
      words
    )
    .option('--every <number>', 'sell the first of every so many records', wholeNumber(1))
    .option(
      '--interval <span>',
      'sell the first record of each so long, like 1m, by its time or as they come',
      timeSpan
    )
    .option('--time <field>', 'where a record has its time (default: the first date-time of its JSON Schema)')
    .option('--on-invalid <action>', 'for a record that breaks the rules of the listing: stop (default) or drop')
    .option('--no-check', 'do not check the records against the JSON Schema of the listing')
    .option('--period <span>', 'telemetry and HTTP polling: time between records or requests, like 10s', timeSpan)
    .option(
      '--header <header>',
      'sent by a source that speaks HTTP, like "Authorization: Bearer abc"; may be repeated',
      header
    )
    .option(
      '--key <key>',
      'names the product among yours; the same key again publishes a new version (default: the title)'
    )
    .option(
      '--free <records>',
      'give records away, the same ones to everybody: the first so many, or offsets from-to like 100-110 (the last one is not in it)'
    )
    .option('--schema <file>', 'JSON Schema of the records; they are held against it')
    .option('--cadence <span>', 'promise a record every so long, like 1s: buyers count what is missing', timeSpan)
    .option('--document <file>', 'further parts of the listing document, as JSON: license, spatial, variables …')
    .option('--credit <amount>', 'what each session may owe, in whole tokens (default: it grows with what was settled)')
    .option('--k <number>', 'records per invoice that are offered (default: 20)', wholeNumber(1))
    .option('--allow <buyers>', 'sell to these only: peer IDs and paying accounts, separated by commas', words)
    .option('--deny <buyers>', 'never sell to these: peer IDs and paying accounts, separated by commas', words)
    .option('--config <file>', 'several products, as a JSON file: {"products":[{"title":…,"price":…,"source":…}]}')
    .option('--claim-on-close', 'present vouchers to the chain whenever a session ends, not only by time and amount')
  command.action(
    act((context, options: Options) => {
      if (options.config !== undefined) refuseProductFlags(command, options.config)
      return run(context, options)
    })
  )
}

/** A list of buyers that nobody heeds would sell to everybody. */
function refuseProductFlags(command: Command, file: string): void {
  const given = command.options.filter((option) => {
    const name = option.attributeName()
    return !BESIDE_FILE.has(name) && command.getOptionValueSource(name) === 'cli'
  })
  if (given.length === 0) return
  const flags = given.map(({ long }) => long).join(', ')
  throw new DdmError(
    'usage',
    `--config ${file} says everything of its products: write into the file what ${flags} would say of each (docs/guides/cli.md)`
  )
}

async function run(context: Context, options: Options): Promise<undefined> {
  const { output, signal } = context
  const products: SellOptions[] =
    options.config === undefined
      ? [await productFromFlags(options, output)]
      : await productsFromFile(options.config, output)
  const claiming = options.claimOnClose === true ? { config: { claimAbove: '0' }, starting: ['--claim-on-close'] } : {}
  return withNode(context, { logLevel: 'info', ...claiming, serve: true }, async (node) => {
    const sales: Sale[] = []
    for (const product of products) sales.push(await offer(context, node, product))
    output.event(
      { event: 'ready', peerId: node.peerId, account: node.account, addresses: node.addresses() },
      `Selling as ${node.peerId}. Ctrl-C stops.`
    )
    const failed = Promise.all(sales.map(({ fed }) => fed)).then(() => stopped(signal))
    const timer = setInterval(() => void showSessions(context, node).catch(() => {}), PROGRESS_MS)
    const release = onRequest('claim', async () => {
      const { claimed, transactions } = await node.claim()
      const arrived = await node.wallet.arrived()
      const received = arrived.reduce((sum, { amount }) => sum + amount, 0n)
      output.event({
        event: 'claimed',
        claimed: formatUnits(claimed, currencyOf(node).decimals),
        transactions,
        received: formatUnits(received, currencyOf(node, 'iota').decimals),
        receivedIn: arrived.map(({ transaction }) => transaction)
      })
    })
    try {
      await Promise.race([stopped(signal), failed])
    } finally {
      release()
      clearInterval(timer)
    }
    return undefined
  })
}

async function offer({ output, signal }: Context, node: DdmNode, product: SellOptions): Promise<Sale> {
  const sale = await node.sell({ ...product, signal })
  // A source that fails while others are being published is reported by whoever waits for all of them.
  sale.fed.catch(() => {})
  const { id, cid, version, document, transaction } = sale.listing
  output.event(
    {
      event: 'listed',
      listing: id,
      cid,
      version,
      title: document.title,
      payment: document.payment,
      transaction: transaction?.hash
    },
    `On sale: ${document.title}, ${pricesText(document.payment, node)} (listing ${id.slice(0, 12)})`
  )
  return sale
}

async function showSessions({ output }: Context, node: DdmNode): Promise<void> {
  if (!output.live) return
  const lines = (await node.sessions.selling()).map(({ buyer, phase, rail, sent, due, credited }) => {
    const { decimals, symbol } = currencyOf(node, rail)
    const amount = (value: bigint): string => formatUnits(value, decimals)
    return `buyer …${buyer.slice(-8)}: ${sent} records, due ${amount(due)}, credited ${amount(credited)} ${symbol} (${phase})`
  })
  output.progress(...lines)
}
