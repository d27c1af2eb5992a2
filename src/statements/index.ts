export * from './form.ts'
export * from './statement.ts'
export * from './transcript.ts'
