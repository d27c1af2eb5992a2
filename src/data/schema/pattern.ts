import { SchemaError } from './schema-error.ts'

/**
 * Regular expressions of strangers, matched in time linear in the text: a Thompson automaton instead of backtracking, so
 * no pattern can take longer than its size times the length of the text. Syntax is ECMA-262 with the `u` flag, without
 * what no automaton can do: lookaround and backreferences. Single characters (classes, escapes, properties) are judged
 * by the engine's own RegExp on one character, so they mean exactly what ECMA-262 says.
 * @source K. Thompson, Regular Expression Search Algorithm (1968); R. Cox, Regular Expression Matching: the Virtual
 * Machine Approach (2009)
 */
export interface Pattern {
  test: (text: string) => boolean
  toString: () => string
}

/** Work per character is bounded by it; `{n,m}` counts as its copies. */
const MAX_STEPS = 1_000
const MAX_SOURCE = 1_000
const ASCII = 128

type Step =
  | { op: 'one'; of: CharacterSet }
  | { op: 'split'; to: number }
  | { op: 'jump'; to: number }
  | { op: 'assert'; kind: '^' | '$' | '\\b' | '\\B' }
  | { op: 'match' }

type Node =
  | { type: 'one'; of: CharacterSet }
  | { type: 'assert'; kind: '^' | '$' | '\\b' | '\\B' }
  | { type: 'sequence'; of: Node[] }
  | { type: 'choice'; of: Node[] }
  | { type: 'repeat'; of: Node; min: number; max: number }

/** Which characters an atom takes: a table for ASCII, RegExp for the rest. */
class CharacterSet {
  readonly #ascii = new Uint8Array(ASCII)
  readonly #single: RegExp

  constructor(source: string) {
    this.#single = new RegExp(`^${source}$`, 'u')
    for (let code = 0; code < ASCII; code++) this.#ascii[code] = this.#single.test(String.fromCharCode(code)) ? 1 : 0
  }

  has(code: number): boolean {
    return code < ASCII ? this.#ascii[code] === 1 : this.#single.test(String.fromCodePoint(code))
  }
}

/** @throws SchemaError naming what of the pattern is not taken */
export function compilePattern(source: string): Pattern {
  if (source.length > MAX_SOURCE)
    throw new SchemaError(`a pattern of ${source.length} characters (limit ${MAX_SOURCE})`)
  try {
    new RegExp(source, 'u')
  } catch {
    throw new SchemaError(`the pattern ${quote(source)}: it is no regular expression of ECMA-262 with the u flag`)
  }
  return new Automaton(source, assemble(new Parser(source).read(), source))
}

function quote(source: string): string {
  return JSON.stringify(source.length > 80 ? `${source.slice(0, 79)}…` : source)
}

/** Reads a pattern that is known to be well-formed. */
class Parser {
  readonly #source: string
  #at = 0

  constructor(source: string) {
    this.#source = source
  }

  read(): Node {
    const choices: Node[] = [this.#sequence()]
    while (this.#takes('|')) choices.push(this.#sequence())
    return choices.length === 1 ? (choices[0] as Node) : { type: 'choice', of: choices }
  }

  #sequence(): Node {
    const of: Node[] = []
    while (this.#at < this.#source.length && !this.#sees('|') && !this.#sees(')')) of.push(this.#term())
    return { type: 'sequence', of }
  }

  #term(): Node {
    for (const kind of ['^', '$', '\\b', '\\B'] as const) if (this.#takes(kind)) return { type: 'assert', kind }
    return this.#quantified(this.#takes('(') ? this.#group() : { type: 'one', of: new CharacterSet(this.#atom()) })
  }

  #group(): Node {
    if (!this.#takes('?:') && this.#sees('?')) {
      const name = /\?<[^=!][^>]*>/uy
      name.lastIndex = this.#at
      const found = name.exec(this.#source)
      if (found === null) throw this.#refuse('lookaround and modifiers')
      this.#at += found[0].length
    }
    const inside = this.read()
    this.#takes(')')
    return inside
  }

  /** Source of one character, class or escape. */
  #atom(): string {
    const atom =
      /\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u\{[^}]*\}|\\u.{4}|\\x..|\\c.|\\[pP]\{[^}]*\}|\\[1-9k]|\\.|\[(?:\\.|[^\]\\])*\]|./suy
    atom.lastIndex = this.#at
    const [text = ''] = atom.exec(this.#source) ?? []
    if (/^\\[1-9k]/.test(text)) throw this.#refuse('backreferences')
    this.#at += text.length
    return text
  }

  #quantified(of: Node): Node {
    const quantifier = /(?:[*+?]|\{(\d+)(,(\d*))?\})\??/uy
    quantifier.lastIndex = this.#at
    const found = quantifier.exec(this.#source)
    if (found === null) return of
    this.#at += found[0].length
    const [text, low, comma, high] = found
    if (low === undefined) {
      return { type: 'repeat', of, min: text[0] === '+' ? 1 : 0, max: text[0] === '?' ? 1 : Number.POSITIVE_INFINITY }
    }
    const min = Number(low)
    if (comma === undefined) return { type: 'repeat', of, min, max: min }
    return { type: 'repeat', of, min, max: high === '' ? Number.POSITIVE_INFINITY : Number(high) }
  }

  #sees(text: string): boolean {
    return this.#source.startsWith(text, this.#at)
  }

  #takes(text: string): boolean {
    if (!this.#sees(text)) return false
    this.#at += text.length
    return true
  }

  #refuse(what: string): SchemaError {
    return new SchemaError(`the pattern ${quote(this.#source)}: ${what} are not taken, as they can take forever`)
  }
}

function assemble(root: Node, source: string): Step[] {
  const steps: Step[] = []
  const put = (step: Step): Step => {
    steps.push(step)
    if (steps.length > MAX_STEPS) {
      throw new SchemaError(`the pattern ${quote(source)}: with its repetitions it has more than ${MAX_STEPS} steps`)
    }
    return step
  }
  const emit = (node: Node): void => {
    switch (node.type) {
      case 'one':
        put({ op: 'one', of: node.of })
        return
      case 'assert':
        put({ op: 'assert', kind: node.kind })
        return
      case 'sequence':
        return node.of.forEach(emit)
      case 'choice':
        return emitChoice(node.of)
      case 'repeat':
        return emitRepeat(node)
    }
  }
  const emitChoice = (choices: Node[]): void => {
    const exits: Array<{ to: number }> = []
    for (const [index, choice] of choices.entries()) {
      const split = index < choices.length - 1 ? (put({ op: 'split', to: 0 }) as { to: number }) : undefined
      emit(choice)
      if (split === undefined) break
      exits.push(put({ op: 'jump', to: 0 }) as { to: number })
      split.to = steps.length
    }
    for (const exit of exits) exit.to = steps.length
  }
  const emitRepeat = ({ of, min, max }: Extract<Node, { type: 'repeat' }>): void => {
    for (let i = 0; i < min; i++) {
      const before = steps.length
      emit(of)
      // Copies of nothing are nothing: `(?:){1000000}` must not keep the assembler busy.
      if (steps.length === before) return
    }
    if (max === Number.POSITIVE_INFINITY) {
      const start = steps.length
      const split = put({ op: 'split', to: 0 }) as { to: number }
      emit(of)
      put({ op: 'jump', to: start })
      split.to = steps.length
      return
    }
    const splits: Array<{ to: number }> = []
    for (let i = min; i < max; i++) {
      splits.push(put({ op: 'split', to: 0 }) as { to: number })
      emit(of)
    }
    for (const split of splits) split.to = steps.length
  }
  emit(root)
  put({ op: 'match' })
  return steps
}

const NONE = -1

class Automaton implements Pattern {
  readonly #source: string
  readonly #steps: Step[]
  /** Nothing can begin after the start of the text. */
  readonly #anchored: boolean
  /** Position + 1 at which a step was reached last. */
  readonly #seen: Uint32Array
  readonly #stack: number[] = []

  constructor(source: string, steps: Step[]) {
    this.#source = source
    this.#steps = steps
    const [first] = steps
    this.#anchored = first?.op === 'assert' && first.kind === '^'
    this.#seen = new Uint32Array(steps.length)
  }

  toString(): string {
    return `/${this.#source}/u`
  }

  test(text: string): boolean {
    this.#seen.fill(0)
    const active: number[] = []
    const reached: number[] = []
    let before = NONE
    for (let at = 0; ; ) {
      const code = text.codePointAt(at) ?? NONE
      reached.length = 0
      // Positions are told apart by `at + 1`: 0 means never.
      for (const step of active) if (this.#reach(step, at, before, code, reached)) return true
      if (at === 0 || !this.#anchored) if (this.#reach(0, at, before, code, reached)) return true
      if (code === NONE || (this.#anchored && reached.length === 0)) return false
      active.length = 0
      for (const index of reached) {
        const step = this.#steps[index] as Extract<Step, { op: 'one' }>
        if (step.of.has(code)) active.push(index + 1)
      }
      before = code
      at += code > 0xffff ? 2 : 1
    }
  }

  /** Follows what takes no character; collects the steps that take one. True when the pattern has matched. */
  #reach(from: number, at: number, before: number, code: number, reached: number[]): boolean {
    const stack = this.#stack
    stack.length = 0
    stack.push(from)
    for (let index = stack.pop(); index !== undefined; index = stack.pop()) {
      if (this.#seen[index] === at + 1) continue
      this.#seen[index] = at + 1
      const step = this.#steps[index] as Step
      switch (step.op) {
        case 'match':
          return true
        case 'one':
          reached.push(index)
          break
        case 'jump':
          stack.push(step.to)
          break
        case 'split':
          stack.push(step.to, index + 1)
          break
        case 'assert':
          if (holds(step.kind, before, code)) stack.push(index + 1)
      }
    }
    return false
  }
}

function holds(kind: '^' | '$' | '\\b' | '\\B', before: number, code: number): boolean {
  switch (kind) {
    case '^':
      return before === NONE
    case '$':
      return code === NONE
    default:
      return (isWord(before) !== isWord(code)) === (kind === '\\b')
  }
}

function isWord(code: number): boolean {
  return (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || code === 95 || (code >= 97 && code <= 122)
}
