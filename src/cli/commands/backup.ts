import { resolve } from 'node:path'
import { DdmError } from '../../interface/index.ts'
import { type Context, loadNode, type Register } from '../context.ts'

export const backup: Register = (program, act) => {
  program
    .command('backup')
    .description('write keys, settings and ledger of this home to one file, also while its node runs')
    .argument('<file>', 'file to write, like ddm.tar.gz')
    .action(act(write))
  program
    .command('restore')
    .description('make a home from a backup; the home must not exist yet')
    .argument('<file>', 'what "ddm backup" wrote')
    .action(act(restore))
}

async function write({ flags, output }: Context, file: string): Promise<undefined> {
  const { backupHome, resolveHome } = await loadNode()
  const home = resolveHome(flags.home)
  const { files } = await output.during(`Copying ${home}`, backupHome(home, resolve(file)))
  output.result(
    { file: resolve(file), home, files },
    `${resolve(file)}: ${files.length} files of ${home}.`,
    'Whoever has it and the passphrase has the money. Make a new one after each day of trade: a restored home knows nothing newer.'
  )
  return undefined
}

async function restore({ flags, output }: Context, file: string): Promise<undefined> {
  const { isHomeLocked, resolveHome, restoreHome } = await loadNode()
  const home = resolveHome(flags.home)
  if (isHomeLocked(home))
    throw new DdmError('homeBusy', `a node runs on ${home}; restore to another folder with --home`)
  const { files, at } = await output.during(`Unpacking ${file}`, restoreHome(resolve(file), home))
  output.result(
    { home, files, at },
    `${home}: as it was at ${at}.`,
    'Never run the home that was backed up and this one side by side: both would sign with the same keys.'
  )
  return undefined
}
