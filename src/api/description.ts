import Type from 'typebox'
import type { Fault } from './check.ts'
import { DescriptionSchema } from './schemas/product.ts'

/** What finds the first fault in what a description says; whether it says enough, and too much, is for others to tell. */
export async function descriptionChecker(): Promise<(description: unknown) => Fault | undefined> {
  // Programs that describe nothing do not load it.
  const { checker } = await import('./check.ts')
  return checker(Type.Partial(DescriptionSchema, { additionalProperties: true }), 'body')
}
