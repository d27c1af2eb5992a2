import { DdmError, type Listing } from '../../interface/index.ts'
import type { BuyOptions } from '../../node/index.ts'
import type { Register } from '../context.ts'
import type { DownloadFlags } from '../sink.ts'
import { download } from './buy.ts'

export const sample: Register = (program, act) => {
  program
    .command('sample')
    .description('download the records that a listing gives away; the wallet needs no funds')
    .argument('<listing>', 'its ID, a unique beginning of it (0x and 4 digits or more), or the CID of its document')
    .option('--no-check', "do not check the records against the listing's JSON Schema")
    .option('-o, --output <file>', 'write the records to this file instead')
    .option('--append', 'add to the file')
    .option('--force', 'replace the file')
    .action(
      act((context, id: string, flags: DownloadFlags & { check: boolean }) =>
        download(context, id, flags, (listing) => ({ ...freeRecords(listing), checkSchema: flags.check }))
      )
    )
}

/** Exactly the free range, at a maximum of nothing. */
function freeRecords({ id, document }: Listing): BuyOptions {
  const { freeRange, title } = document
  if (freeRange === undefined) {
    throw new DdmError(
      'notFound',
      `listing ${id} ("${title}") gives no records away; buy a few: ddm buy ${id.slice(0, 12)} -n 5`
    )
  }
  return { from: freeRange.from, records: freeRange.to - freeRange.from, max: 0n, prepay: 0n }
}
