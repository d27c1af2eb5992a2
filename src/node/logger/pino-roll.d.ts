declare module 'pino-roll' {
  import type { destination } from 'pino'

  interface Options {
    file: string
    size: string
    extension: string
    sync: boolean
    append: boolean
    mode: number
  }

  /** @source pino-roll 4, pino-roll.js */
  function build(options: Options): Promise<ReturnType<typeof destination>>
  export = build
}
