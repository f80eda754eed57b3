export { type Accounts, type AccountsDeps, createAccounts } from './accounts.js'
export type { AccountsOptions, NewUser } from './options.js'
