import { Argument, type Command, type Option } from 'commander'
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
        const script = SCRIPT[shell](grammarOf(program))
        output.result({ shell, script }, ...script.split('\n'))
        return undefined
      })
    )
}

/** What may stand where. */
interface Grammar {
  /** What may follow each command: `''` is the program itself, `sessions show` a command of a group. */
  words: ReadonlyMap<string, readonly string[]>
  /** Options with a value, as they are written. */
  valued: readonly string[]
  /** Values of those that have only a few, by command and option. */
  choices: ReadonlyMap<string, readonly string[]>
}

function grammarOf(program: Command): Grammar {
  const words = new Map<string, readonly string[]>()
  const valued = new Set<string>()
  const choices = new Map<string, readonly string[]>()
  const visit = (command: Command, path: string): void => {
    const children = command.commands.filter((child) => !isHidden(child))
    // The options of the program may stand after any command.
    const options = [...new Set([...command.options, ...program.options])].filter(({ hidden }) => !hidden)
    words.set(path, [
      ...children.map((child) => child.name()),
      ...command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
      ...options.map(nameOf)
    ])
    for (const option of options.filter(({ required, optional }) => required || optional)) {
      for (const flag of [option.short, option.long]) if (flag != null) valued.add(flag)
      if (option.argChoices !== undefined) choices.set(`${path} ${nameOf(option)}`, option.argChoices)
    }
    for (const child of children) visit(child, path === '' ? child.name() : `${path} ${child.name()}`)
  }
  visit(program, '')
  return { words, valued: [...valued], choices }
}

function nameOf({ long, short }: Option): string {
  return long ?? short ?? ''
}

function isHidden(command: Command): boolean {
  return (command as Command & { _hidden?: boolean })._hidden === true
}

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

/** Where no word fits, the shell offers files: options take files or free text as well. */
const SCRIPT: Readonly<Record<Shell, (grammar: Grammar) => string>> = {
  bash: ({ words, valued, choices }) => `_ddm() {
  local word path='' value=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    if [ -n "$value" ]; then value=''; continue; fi
    case "$word" in ${valued.map(quote).join('|')}) value="$word"; continue ;; esac
    case "$path $word" in
${[...words.keys()]
  .filter((path) => path !== '')
  .map((path) => `      ${quote(path.includes(' ') ? path : ` ${path}`)}) path=${quote(path)} ;;`)
  .join('\n')}
    esac
  done
  word="\${COMP_WORDS[COMP_CWORD]}"
  if [ -n "$value" ]; then
    case "$path $value" in
${[...choices].map(([at, values]) => `      ${quote(at)}) COMPREPLY=($(compgen -W ${quote(values.join(' '))} -- "$word")) ;;`).join('\n')}
    esac
    return
  fi
  case "$path" in
${[...words].map(([path, next]) => `    ${quote(path)}) COMPREPLY=($(compgen -W ${quote(next.join(' '))} -- "$word")) ;;`).join('\n')}
  esac
}
complete -o default -F _ddm ddm`,
  zsh: (grammar) => `autoload -U +X bashcompinit && bashcompinit
${SCRIPT.bash(grammar)}`,
  fish: ({ words, valued, choices }) =>
    [...words]
      .flatMap(([path, next]) => {
        const parts = path === '' ? [] : path.split(' ')
        const condition =
          parts.length === 0
            ? '__fish_use_subcommand'
            : parts.map((part) => `__fish_seen_subcommand_from ${part}`).join('; and ')
        return next.map((word) => {
          const values = choices.get(`${path} ${word}`)
          const takes =
            values === undefined ? (valued.includes(word) ? ' -r' : '') : ` -x -a ${quote(values.join(' '))}`
          const what = word.startsWith('--') ? `-l ${word.slice(2)}${takes}` : `-a ${word}`
          return `complete -c ddm -n ${quote(condition)} ${what}`
        })
      })
      .join('\n')
}
