export { type BudgetInit, type BudgetLimits, createBudget } from './budget.ts'
export * from './evm/index.ts'
export { freePayee, freePayer } from './free/index.ts'
export * from './iota/index.ts'
