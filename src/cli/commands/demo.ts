import { relative } from 'node:path'
import { Option } from 'commander'
import { EXIT_CODES } from '../../interface/index.ts'
import { type Context, loadNode, type Register } from '../context.ts'
import type { BuyerOptions } from '../demo/buyer.ts'
import type { DemoFolder } from '../demo/folder.ts'
import type { MarketSummary } from '../demo/market.ts'
import type { DemoRail } from '../demo/products.ts'
import { stopped } from '../stop.ts'

export const demo: Register = (program, act) => {
  program
    .command('demo')
    .description('a whole market on this machine: chain, bootstrap, seller and buyer, each a process (npm start)')
    .addOption(new Option('--rail <rail>', 'what is paid with').choices(['evm', 'iota']).default('evm'))
    .option('--once', 'end when everything is bought, claimed and verified')
    .action(act(run))
  program
    .command('demo-buyer', { hidden: true })
    .requiredOption('--records <folder>')
    .requiredOption('--receipts <folder>')
    .action(
      act(async (context: Context, options: BuyerOptions) => {
        const { runBuyer } = await import('../demo/buyer.ts')
        return runBuyer(context, options)
      })
    )
}

async function run(context: Context, { once, rail }: { once?: boolean; rail: DemoRail }): Promise<number> {
  const { flags, output, signal } = context
  const [{ claimFolder, clearFolder, demoFolder }, { Market }, { createHome, lockHome }] = await Promise.all([
    import('../demo/folder.ts'),
    import('../demo/market.ts'),
    loadNode()
  ])
  const folder = demoFolder(flags.home)
  await claimFolder(folder)
  const lock = await lockHome(await createHome(folder.root))
  const market = new Market(folder, context, rail)
  try {
    await clearFolder(folder)
    const summary = await market.run()
    output.result(summary, ...describe(summary))
    if (once !== true && output.live) {
      const page = await Promise.race([market.open(), market.failed])
      for (const line of nextCommands(folder, page)) output.note(line)
      await Promise.race([stopped(signal), market.failed])
    }
    return exitCode(summary)
  } finally {
    await market.stop()
    await lock.release()
  }
}

/** 0 only if what was owed, paid and claimed is the same and every receipt verifies. */
function exitCode({ due, paid, claimed, receipts }: MarketSummary): number {
  if (receipts.length === 0 || !receipts.every(({ verified }) => verified)) return EXIT_CODES.evidence
  return due === paid && paid === claimed ? EXIT_CODES.ok : EXIT_CODES.paymentInvalid
}

function describe(summary: MarketSummary): string[] {
  const { records, due, paid, claimed, receipts, transactions, resolvedThrough, firstRecordMs, totalMs } = summary
  const seconds = (totalMs / 1000).toFixed(1)
  return [
    `bought     ${records} records; due ${due}, paid ${paid}, arrived ${claimed}`,
    `timing     seller found through the ${resolvedThrough}, first record after ${firstRecordMs} ms, all in ${seconds} s`,
    ...receipts.map(
      ({ file, verified }) => `receipt    ${relative('.', file)}: ${verified ? 'verified offline' : 'WRONG'}`
    ),
    ...transactions.map((hash) => `on ledger  ${hash}`)
  ]
}

function nextCommands({ home }: DemoFolder, page: string | undefined): string[] {
  const ddm = (rest: string): string => `  npm run --silent ddm -- ${rest} --home ${relative('.', home('me')) || '.'}`
  return [
    '',
    ...(page === undefined ? ['The market is open.'] : [`The market is open, and this is your node in it: ${page}`]),
    'The same in another terminal:',
    ddm('search weather'),
    ddm('buy LISTING --records 5 --max 0.01'),
    ddm('receipts list'),
    'Ctrl-C closes it.'
  ]
}
