import type { Command } from 'commander'
import { Argument } from 'commander'
import type { Context, Register } from '../context.ts'

const SHELLS = ['bash', 'zsh', 'fish'] as const

type Shell = (typeof SHELLS)[number]

export const completion: Register = (program, act) => {
  program
    .command('completion')
    .description('print what makes a shell complete commands and options, like: source <(ddm completion bash)')
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .action(
      act(async ({ output }: Context, shell: Shell) => {
        const script = SCRIPT[shell](wordsOf(program))
        output.result({ shell, script }, ...script.split('\n'))
        return undefined
      })
    )
}

/** What may follow each command: `''` is the program itself, `sessions show` a command of a group. */
type Words = ReadonlyMap<string, readonly string[]>

function wordsOf(program: Command): Words {
  const words = new Map<string, readonly string[]>()
  const global = optionsOf(program)
  const visit = (command: Command, path: string): void => {
    const children = command.commands.filter((child) => !isHidden(child))
    words.set(path, [...children.map((child) => child.name()), ...optionsOf(command), ...(path === '' ? [] : global)])
    for (const child of children) visit(child, path === '' ? child.name() : `${path} ${child.name()}`)
  }
  visit(program, '')
  return words
}

function optionsOf(command: Command): string[] {
  return command.options.filter(({ hidden }) => !hidden).flatMap(({ long }) => (long === undefined ? [] : [long]))
}

function isHidden(command: Command): boolean {
  return (command as Command & { _hidden?: boolean })._hidden === true
}

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

/** Options take files or free text as well: where no word fits, the shell offers files. */
const SCRIPT: Readonly<Record<Shell, (words: Words) => string>> = {
  bash: (words) => `_ddm() {
  local word path=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$path $word" in
${[...words.keys()]
  .filter((path) => path !== '')
  .map((path) => `      ${quote(path.includes(' ') ? path : ` ${path}`)}) path=${quote(path)} ;;`)
  .join('\n')}
    esac
  done
  case "$path" in
${[...words].map(([path, next]) => `    ${quote(path)}) COMPREPLY=($(compgen -W ${quote(next.join(' '))} -- "\${COMP_WORDS[COMP_CWORD]}")) ;;`).join('\n')}
  esac
}
complete -o default -F _ddm ddm`,
  zsh: (words) => `autoload -U +X bashcompinit && bashcompinit
${SCRIPT.bash(words)}`,
  fish: (words) =>
    [...words]
      .flatMap(([path, next]) => {
        const parts = path === '' ? [] : path.split(' ')
        const condition =
          parts.length === 0
            ? '__fish_use_subcommand'
            : parts.map((part) => `__fish_seen_subcommand_from ${part}`).join('; and ')
        return next.map((word) =>
          word.startsWith('--')
            ? `complete -c ddm -n ${quote(condition)} -l ${word.slice(2)}`
            : `complete -c ddm -n ${quote(condition)} -a ${word}`
        )
      })
      .join('\n')
}
