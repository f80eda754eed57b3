type Make<A extends readonly unknown[]> = (...args: A) => string
/** Ties both languages of a text to the same arguments. */
const both = <A extends readonly unknown[]>(en: Make<A>, zh: Make<A>) => ({ en, zh })
const s = (n: number) => (n === 1 ? '' : 's')

/** Every text of the page. A key without one of the languages does not compile. */
export const texts = {
  // signing in
  tagline: { en: 'Messaging inside your own service', zh: '内线 · 装进自家服务的即时通讯' },
  username: { en: 'User', zh: '用户名' },
  password: { en: 'Password', zh: '密码' },
  signIn: { en: 'Sign in', zh: '登录' },
  signInAgain: { en: 'Sign in again', zh: '重新登录' },
  signOut: { en: 'Sign out', zh: '退出' },
  orPick: { en: 'or come in as', zh: '或以演示身份进入' },
  duoLink: { en: 'Two people side by side', zh: '双人同屏' },
  singleLink: { en: 'One person', zh: '单人' },
  memoryNote: {
    en: 'A demo: unless it was started with a database, messages are gone when the server stops.',
    zh: '演示环境：未配置数据库时，服务停止后消息即清空。',
  },
  wrongPassword: { en: 'This user and password do not fit.', zh: '用户名或密码不正确。' },
  unreachable: { en: 'The server does not answer. Try again in a moment.', zh: '服务器没有响应，请稍后再试。' },
  otherLanguage: { en: '中文', zh: 'English' },
  userTypeUser: { en: 'colleague', zh: '同事' },
  userTypeAgent: { en: 'agent', zh: '客服' },
  userTypeCustomer: { en: 'visitor', zh: '访客' },

  // connection
  stateIdle: { en: 'Not connected', zh: '未连接' },
  stateConnecting: { en: 'Connecting…', zh: '连接中…' },
  stateConnected: { en: 'Connected', zh: '已连接' },
  stateReconnecting: { en: 'Reconnecting…', zh: '重连中…' },
  stateReconnectingIn: both(
    (seconds: number) => `Retry in ${seconds} s`,
    (seconds) => `${seconds} 秒后重连`,
  ),
  stateOffline: { en: 'Offline', zh: '离线' },
  stateClosed: { en: 'Signed out', zh: '已退出' },
  bannerOffline: {
    en: 'You are offline. What you write is kept and sent when you are back.',
    zh: '当前离线。消息会保留，恢复后自动发送。',
  },
  bannerLost: { en: 'No connection. What you write is kept and sent when it returns.', zh: '连接已断开。消息会保留，恢复后自动发送。' },
  bannerStorage: {
    en: 'The server is waiting for its database. What you write is kept and sent when it is back.',
    zh: '服务器正在等待数据库恢复。消息会保留，恢复后自动发送。',
  },
  bannerWaiting: both(
    (n: number) => `${n} message${s(n)} waiting.`,
    (n) => `${n} 条消息等待发送。`,
  ),
  bannerClosed: both(
    (why: string) => `Signed out: ${why}`,
    (why) => `已退出：${why}`,
  ),
  closedUnauthorized: {
    en: 'the server does not know this sign-in any more (without a database it forgets when it restarts).',
    zh: '服务器不再认可此登录（未配置数据库时，重启后会遗忘）。',
  },
  closedReplaced: { en: 'signed in elsewhere.', zh: '已在别处登录。' },
  tryNow: { en: 'Try now', zh: '立即重试' },

  // list
  conversations: { en: 'Conversations', zh: '会话' },
  searchPeople: { en: 'Find people to write to', zh: '搜索联系人' },
  noConversations: { en: 'No conversations yet. Find somebody above and say hello.', zh: '还没有会话。在上方找个人打声招呼吧。' },
  noPeople: { en: 'Nobody found.', zh: '没有找到。' },
  searchFailed: { en: 'The search did not work.', zh: '搜索失败。' },
  moreConversations: { en: 'More conversations', zh: '更多会话' },
  unreadCount: both(
    (n: number) => `${n} unread`,
    (n) => `${n} 条未读`,
  ),
  you: both(
    (text: string) => `You: ${text}`,
    (text) => `我：${text}`,
  ),
  noMessages: { en: 'No messages yet', zh: '暂无消息' },

  // chat
  pickConversation: { en: 'Pick a conversation, or find somebody to write to.', zh: '选择一个会话，或搜索联系人开始聊天。' },
  back: { en: 'Back to the conversations', zh: '返回会话列表' },
  messages: both(
    (who: string) => `Messages with ${who}`,
    (who) => `与 ${who} 的消息`,
  ),
  loading: { en: 'Loading…', zh: '加载中…' },
  loadOlder: { en: 'Load older', zh: '加载更早的消息' },
  holeBetween: both(
    (n: number) => `${n} message${s(n)} not loaded – load`,
    (n) => `${n} 条消息未加载，点此加载`,
  ),
  firstWords: both(
    (who: string) => `This is the beginning. Say hello to ${who}.`,
    (who) => `这里是开始。向 ${who} 打声招呼吧。`,
  ),
  newDivider: { en: 'New', zh: '新消息' },
  newBelow: both(
    (n: number) => `${n} new`,
    (n) => `${n} 条新消息`,
  ),
  toNewest: { en: 'To the newest', zh: '回到最新' },
  typing: both(
    (who: string) => `${who} is typing…`,
    (who) => `${who} 正在输入…`,
  ),
  writeMessage: { en: 'Write a message', zh: '输入消息' },
  send: { en: 'Send', zh: '发送' },
  retry: { en: 'Try again', zh: '重发' },
  discard: { en: 'Delete', zh: '删除' },
  notSent: both(
    (code: string) => `Not sent (${code})`,
    (code) => `未发送（${code}）`,
  ),
  edited: { en: 'edited', zh: '已编辑' },
  recalled: { en: 'Message recalled', zh: '消息已撤回' },
  attachment: { en: 'Attachment', zh: '附件' },
  openFailed: both(
    (code: string) => `This conversation cannot be opened (${code}).`,
    (code) => `无法打开会话（${code}）。`,
  ),
  today: { en: 'Today', zh: '今天' },
  yesterday: { en: 'Yesterday', zh: '昨天' },
  statusQueued: { en: 'waiting to be sent', zh: '等待发送' },
  statusSending: { en: 'sending', zh: '发送中' },
  statusSent: { en: 'sent', zh: '已发送' },
  statusDelivered: { en: 'delivered', zh: '已送达' },
  statusRead: { en: 'read', zh: '已读' },
  statusFailed: { en: 'not sent', zh: '发送失败' },
  memberJoined: both(
    (who: string) => `${who} joined`,
    (who) => `${who} 加入了会话`,
  ),
  memberLeft: both(
    (who: string) => `${who} left`,
    (who) => `${who} 离开了会话`,
  ),
  memberRemoved: both(
    (who: string) => `${who} was removed`,
    (who) => `${who} 被移出了会话`,
  ),

  // break things
  breakThings: { en: 'Break things', zh: '制造故障' },
  close: { en: 'Close', zh: '关闭' },
  clear: { en: 'Clear', zh: '清空' },
  whatHappened: { en: 'What the SDK does about it', zh: 'SDK 如何应对' },
  nothingYet: { en: 'Break something; what happens shows here.', zh: '制造一个故障，过程会显示在这里。' },
  faultDrop: { en: 'Drop the connection', zh: '断开连接' },
  faultOffline: { en: 'Go offline', zh: '断网' },
  faultOnline: { en: 'Come back online', zh: '恢复网络' },
  faultCut: { en: 'Cut the line after the next send', zh: '下一条发出后立刻断线' },
  faultLoseReceipt: { en: 'Lose the next receipt', zh: '丢弃下一个回执' },
  faultLoseAck: { en: 'Lose the next read mark', zh: '丢弃下一个已读确认' },
  faultLoseMessage: { en: 'Lose the next message', zh: '丢弃下一条收到的消息' },
  faultDuplicate: { en: 'Get the next message twice', zh: '下一条消息收到两次' },
  faultDelay: { en: 'Delay', zh: '延迟' },
  noDelay: { en: 'none', zh: '无' },
  armed: { en: 'waiting for it', zh: '等待触发' },

  // what happened
  logDropped: { en: 'Socket closed by you', zh: '你断开了连接' },
  logOffline: { en: 'Network switched off: sockets and requests fail', zh: '网络已关闭：连接与请求都会失败' },
  logOnline: { en: 'Network is back', zh: '网络已恢复' },
  logArmed: both(
    (fault: string) => `Armed: ${fault}`,
    (fault) => `已就绪：${fault}`,
  ),
  logDisarmed: both(
    (fault: string) => `Called off: ${fault}`,
    (fault) => `已取消：${fault}`,
  ),
  logLostReceipt: both(
    (id: string) => `Receipt of …${id} swallowed`,
    (id) => `…${id} 的回执被丢弃`,
  ),
  logLostAck: { en: 'Acknowledgement swallowed on its way out', zh: '确认在发出途中被丢弃' },
  logLostMessage: both(
    (at: string) => `Incoming message ${at} swallowed`,
    (at) => `收到的消息 ${at} 被丢弃`,
  ),
  logDuplicated: both(
    (at: string) => `Incoming message ${at} delivered twice`,
    (at) => `收到的消息 ${at} 被投递两次`,
  ),
  logCut: both(
    (id: string) => `…${id} is on its way; line cut before any answer`,
    (id) => `…${id} 已发出，应答前断线`,
  ),
  logDelay: both(
    (ms: number) => (ms === 0 ? 'No delay' : `Every frame now takes ${ms} ms`),
    (ms) => (ms === 0 ? '延迟已取消' : `每一帧延迟 ${ms} 毫秒`),
  ),
  logSocketOpen: { en: 'Socket open', zh: '连接已建立' },
  logSocketClosed: both(
    (code: number) => `Socket closed (${code})`,
    (code) => `连接已关闭（${code}）`,
  ),
  logSend: both(
    (id: string) => `Send …${id}`,
    (id) => `发送 …${id}`,
  ),
  logSendAgain: both(
    (id: string, attempt: number) => `Sent again with the same msgId …${id} (attempt ${attempt})`,
    (id, attempt) => `以相同 msgId …${id} 重发（第 ${attempt} 次）`,
  ),
  logReceipt: both(
    (id: string, seq: string) => `Receipt of …${id}: seq ${seq}`,
    (id, seq) => `收到 …${id} 的回执：seq ${seq}`,
  ),
  logDuplicate: both(
    (id: string, seq: string) => `Receipt of …${id}: seq ${seq}, duplicate: true – the server had it, it exists once`,
    (id, seq) => `收到 …${id} 的回执：seq ${seq}，duplicate: true，服务器已有，不会重复`,
  ),
  logAck: { en: 'Acknowledgement sent', zh: '已发送确认' },
  logFetch: both(
    (call: string, status: string) => `${call} → ${status}`,
    (call, status) => `${call} → ${status}`,
  ),
  logState: both(
    (state: string) => `State: ${state}`,
    (state) => `状态：${state}`,
  ),
  logRetryIn: both(
    (attempt: number, seconds: string) => `Attempt ${attempt} in ${seconds} s`,
    (attempt, seconds) => `第 ${attempt} 次尝试，${seconds} 秒后`,
  ),
  logArrived: both(
    (at: string, origin: string) => `Message ${at} (${origin})`,
    (at, origin) => `消息 ${at}（${origin}）`,
  ),
  logPull: both(
    (chat: string) => `Pull of ${chat} begins`,
    (chat) => `开始拉取 ${chat}`,
  ),
  logPulled: both(
    (n: number, complete: boolean) => `Pulled ${n} entr${n === 1 ? 'y' : 'ies'}${complete ? ', nothing missing' : ', not complete yet'}`,
    (n, complete) => `拉取 ${n} 条${complete ? '，无缺失' : '，尚未完整'}`,
  ),
  logSettled: both(
    (id: string, seq: number) => `…${id} is committed as seq ${seq}`,
    (id, seq) => `…${id} 已提交，seq ${seq}`,
  ),
  logRevived: both(
    (id: string) => `…${id} turned out to be committed after all`,
    (id) => `…${id} 其实已经提交`,
  ),
  logFailed: both(
    (id: string, code: string) => `…${id} failed: ${code}`,
    (id, code) => `…${id} 失败：${code}`,
  ),
  logError: both(
    (code: string) => `Error: ${code}`,
    (code) => `错误：${code}`,
  ),
  logKicked: both(
    (code: number, reason: string) => `Ended by the server: ${code} ${reason}`,
    (code, reason) => `被服务器结束：${code} ${reason}`,
  ),
} satisfies Record<string, { readonly en: string | ((...args: never[]) => string); readonly zh: string | ((...args: never[]) => string) }>
