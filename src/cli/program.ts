import { Command, InvalidArgumentError, Option } from 'commander'
import { printable } from '../interface/index.ts'
import { backup } from './commands/backup.ts'
import { bootstrap } from './commands/bootstrap.ts'
import { budget } from './commands/budget.ts'
import { buy } from './commands/buy.ts'
import { chain } from './commands/chain.ts'
import { channels } from './commands/channels.ts'
import { claim } from './commands/claim.ts'
import { completion } from './commands/completion.ts'
import { demo } from './commands/demo.ts'
import { deploy } from './commands/deploy.ts'
import { doctor } from './commands/doctor.ts'
import { follow } from './commands/follow.ts'
import { init } from './commands/init.ts'
import { iotaLedger } from './commands/iota-ledger.ts'
import { listings } from './commands/listings.ts'
import { menu } from './commands/menu.ts'
import { network } from './commands/network.ts'
import { peers } from './commands/peers.ts'
import { receipts } from './commands/receipts.ts'
import { sample } from './commands/sample.ts'
import { search } from './commands/search.ts'
import { sell } from './commands/sell.ts'
import { sessions } from './commands/sessions.ts'
import { show } from './commands/show.ts'
import { start } from './commands/start.ts'
import { status } from './commands/status.ts'
import { wallet } from './commands/wallet.ts'
import type { Act } from './context.ts'
import { version } from './version.ts'

const COMMANDS = [
  init,
  start,
  status,
  search,
  show,
  menu,
  sample,
  buy,
  follow,
  sessions,
  receipts,
  sell,
  listings,
  claim,
  channels,
  wallet,
  budget,
  peers,
  network,
  bootstrap,
  chain,
  iotaLedger,
  deploy,
  demo,
  doctor,
  backup,
  completion
]

function collect(value: string, before: string[] = []): string[] {
  return [...before, ...value.split(',')]
}

function setting(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('Write NAME=VALUE, like credit=0.05.')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}

/** The command line as commander knows it. Nothing but commander is loaded yet. */
export function createProgram(act: (run: Act) => (...args: unknown[]) => Promise<void>): Command {
  const program = new Command('ddm')
    .description('A decentralized data marketplace: sell and buy data streams peer to peer, paying per record.')
    .version(version())
    .option('--home <folder>', 'keys, ledger and index; one process at a time (default: $DDM_HOME, else XDG data)')
    .option('--network <file>', 'network profile, instead of the one that the home has joined')
    .option('--json', 'one JSON object per line on stdout; errors as {"error":…} on stderr')
    .option('-q, --quiet', 'no progress, and errors only in the log')
    .addOption(
      new Option('--log-level <level>', 'least severe messages of the log on stderr').choices([
        'silent',
        'error',
        'warn',
        'info',
        'debug',
        'trace'
      ])
    )
    .option('--insecure-dev-keys', 'create key files without encryption: test networks only')
    .option('--passphrase-file <file>', 'file with the passphrase of the key files')
    .option('--listen <multiaddr>', 'address to listen on; several with commas or repeated', collect)
    .option('--set <name=value>', 'any setting of docs/guides/configuration.md; may be repeated', setting)
    .showHelpAfterError('(ddm --help lists the commands and options)')
    .configureOutput({
      writeErr: (text) => {
        if (!process.argv.includes('--json')) process.stderr.write(text.split('\n').map(printable).join('\n'))
      }
    })
    .exitOverride()
  for (const register of COMMANDS) register(program, act)
  for (const command of program.commands) inherit(command)
  return program
}

/** Subcommands, and theirs, throw instead of ending the process, too. */
function inherit(command: Command): void {
  command.exitOverride()
  for (const child of command.commands) inherit(child)
}
