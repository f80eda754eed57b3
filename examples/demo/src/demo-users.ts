/** Somebody who can be written to, as the login and the user search answer. */
export interface Person {
  readonly userId: string
  readonly userType: 'user' | 'agent' | 'customer'
  readonly displayName: string
}

/** The password of every demo user. */
export const DEMO_PASSWORD = 'demo'

/** The people of the demo: the server makes their accounts, the page offers them for one-click sign-in. */
export const DEMO_USERS: readonly (Person & { readonly roles?: readonly string[] })[] = [
  { userId: 'alice', userType: 'user', displayName: 'Alice 爱丽丝' },
  { userId: 'bob', userType: 'user', displayName: 'Bob 鲍勃' },
  { userId: 'carol', userType: 'user', displayName: 'Carol 卡萝' },
  { userId: 'dave', userType: 'user', displayName: 'Dave 戴夫', roles: ['admin'] },
  { userId: 'agent1', userType: 'agent', displayName: 'Grace 客服一号' },
  { userId: 'agent2', userType: 'agent', displayName: 'Henry 客服二号' },
  { userId: 'visitor1', userType: 'customer', displayName: 'Vera 访客一' },
  { userId: 'visitor2', userType: 'customer', displayName: 'Victor 访客二' },
]
