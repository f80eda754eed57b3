import type { Migration } from './migration.js'

/**
 * Times are epoch ms in BIGINT, ids ascii_bin, bodies bytes: nothing here depends on a server's charset, time zone or
 * collation. Only what MySQL 8 and MariaDB 10.11 both know.
 */
export const storage: Migration = {
  version: 1,
  name: 'storage',
  statements: [
    `CREATE TABLE IF NOT EXISTS t_cs_session (
  conversation_key BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  session_id VARCHAR(160) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  chat_type VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  customer_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  agent_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  session_state TINYINT UNSIGNED NULL,
  is_closed TINYINT UNSIGNED NOT NULL DEFAULT 0,
  head_seq BIGINT UNSIGNED NOT NULL DEFAULT 0,
  head_ord BIGINT UNSIGNED NOT NULL DEFAULT 0,
  low_seq BIGINT UNSIGNED NOT NULL DEFAULT 1,
  low_ord BIGINT UNSIGNED NOT NULL DEFAULT 0,
  low_time BIGINT NULL,
  member_version BIGINT UNSIGNED NOT NULL DEFAULT 1,
  last_seq BIGINT UNSIGNED NULL,
  last_msg_id BINARY(16) NULL,
  last_sender_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  last_kind VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NULL,
  last_preview VARBINARY(800) NULL,
  last_msg_time BIGINT NULL,
  mention_all_seq BIGINT UNSIGNED NOT NULL DEFAULT 0,
  mention_all_by VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  mention_all_other BIGINT UNSIGNED NOT NULL DEFAULT 0,
  last_batch BINARY(16) NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (conversation_key),
  UNIQUE KEY uk_session_id (session_id),
  KEY k_state (session_state, conversation_key),
  KEY k_agent (agent_id, session_state),
  KEY k_customer (customer_id, session_state),
  KEY k_low_time (low_time)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`,
    `CREATE TABLE IF NOT EXISTS t_cs_message (
  conversation_key BIGINT UNSIGNED NOT NULL,
  seq BIGINT UNSIGNED NOT NULL,
  ord BIGINT UNSIGNED NOT NULL,
  msg_id BINARY(16) NOT NULL,
  session_id VARCHAR(160) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  chat_type VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  sender_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  kind VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  payload_hash BINARY(16) NOT NULL,
  body MEDIUMBLOB NOT NULL,
  reply_to BINARY(16) NULL,
  mentions BLOB NULL,
  target BINARY(16) NULL,
  timestamp BIGINT NOT NULL,
  created_at BIGINT NOT NULL,
  edited_at BIGINT NULL,
  recalled_at BIGINT NULL,
  PRIMARY KEY (conversation_key, seq),
  UNIQUE KEY uk_msg_id (msg_id),
  KEY k_time (conversation_key, timestamp)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`,
    `CREATE TABLE IF NOT EXISTS t_cs_message_edit (
  conversation_key BIGINT UNSIGNED NOT NULL,
  target_seq BIGINT UNSIGNED NOT NULL,
  edit_seq BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (conversation_key, target_seq, edit_seq)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`,
    `CREATE TABLE IF NOT EXISTS t_im_cursor (
  user_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  conversation_key BIGINT UNSIGNED NOT NULL,
  join_seq BIGINT UNSIGNED NOT NULL DEFAULT 0,
  visible_from BIGINT UNSIGNED NOT NULL DEFAULT 1,
  visible_ord BIGINT UNSIGNED NOT NULL DEFAULT 0,
  leave_seq BIGINT UNSIGNED NULL,
  leave_ord BIGINT UNSIGNED NULL,
  delivered_seq BIGINT UNSIGNED NOT NULL DEFAULT 0,
  read_seq BIGINT UNSIGNED NOT NULL DEFAULT 0,
  read_ord BIGINT UNSIGNED NOT NULL DEFAULT 0,
  sent_ord BIGINT UNSIGNED NOT NULL DEFAULT 0,
  mention_seq BIGINT UNSIGNED NOT NULL DEFAULT 0,
  muted_until BIGINT NULL,
  is_pinned TINYINT UNSIGNED NOT NULL DEFAULT 0,
  hidden_ord BIGINT UNSIGNED NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (user_id, conversation_key),
  KEY k_members (conversation_key, leave_seq, user_id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`,
    `CREATE TABLE IF NOT EXISTS t_im_change (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  kind TINYINT UNSIGNED NOT NULL,
  session_id VARCHAR(160) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  channels MEDIUMBLOB NOT NULL,
  first_seq BIGINT UNSIGNED NOT NULL,
  last_seq BIGINT UNSIGNED NOT NULL,
  member_version BIGINT UNSIGNED NOT NULL,
  node_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`,
    `CREATE TABLE IF NOT EXISTS t_im_state (
  id TINYINT UNSIGNED NOT NULL,
  epoch BIGINT UNSIGNED NOT NULL,
  resolved_floor BIGINT UNSIGNED NOT NULL,
  low_id BIGINT UNSIGNED NOT NULL,
  server_started_at BIGINT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`,
    `INSERT IGNORE INTO t_im_state (id, epoch, resolved_floor, low_id) VALUES (1, 1, 0, 1)`,
    `CREATE TABLE IF NOT EXISTS t_im_feed_floor (
  resolved_floor BIGINT UNSIGNED NOT NULL,
  reached_at BIGINT NOT NULL,
  PRIMARY KEY (resolved_floor)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`,
    `CREATE TABLE IF NOT EXISTS t_im_reader (
  name VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  epoch BIGINT UNSIGNED NOT NULL,
  position_id BIGINT UNSIGNED NOT NULL,
  missing MEDIUMBLOB NOT NULL,
  needs_above BIGINT UNSIGNED NOT NULL,
  seen_at BIGINT NOT NULL,
  is_lost TINYINT UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`,
    `CREATE TABLE IF NOT EXISTS t_im_lease (
  name VARCHAR(160) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  holder VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  fence BIGINT UNSIGNED NOT NULL,
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`,
    `CREATE TABLE IF NOT EXISTS t_im_dead_letter (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  consumer VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  record_key BLOB NOT NULL,
  record MEDIUMBLOB NOT NULL,
  error BLOB NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`,
    `CREATE TABLE IF NOT EXISTS t_im_user (
  user_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  user_type VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  display_name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  avatar BLOB NULL,
  roles BLOB NOT NULL,
  password_hash VARBINARY(512) NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (user_id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`,
    `CREATE OR REPLACE SQL SECURITY INVOKER VIEW t_im_unread_counter (user_id, conversation_id, unread_count, updated_at) AS
SELECT c.user_id, s.session_id,
  GREATEST(0, CAST(LEAST(s.head_ord, COALESCE(c.leave_ord, s.head_ord)) AS SIGNED)
    - CAST(GREATEST(c.read_ord, c.visible_ord, c.sent_ord, s.low_ord) AS SIGNED)),
  GREATEST(s.updated_at, c.updated_at)
FROM t_im_cursor c JOIN t_cs_session s ON s.conversation_key = c.conversation_key`,
    // Kinds are told in utf8mb4: an ascii column would make the whole expression ascii, in which no body can be told.
    // An equality on conversation_key would make the server read the whole conversation; a range of one value lets it use seq too.
    `CREATE OR REPLACE SQL SECURITY INVOKER VIEW t_im_offline_message
  (receiver_id, conversation_id, msg_id, msg_brief, created_at, session_id, seq) AS
SELECT c.user_id, m.session_id,
  LOWER(CONCAT_WS('-', SUBSTR(HEX(m.msg_id), 1, 8), SUBSTR(HEX(m.msg_id), 9, 4), SUBSTR(HEX(m.msg_id), 13, 4),
    SUBSTR(HEX(m.msg_id), 17, 4), SUBSTR(HEX(m.msg_id), 21))),
  IF(JSON_VALID(CONVERT(m.body USING utf8mb4)),
    COALESCE(LEFT(JSON_UNQUOTE(JSON_EXTRACT(CONVERT(m.body USING utf8mb4), '$.text')), 100),
      CONCAT('[', COALESCE(JSON_UNQUOTE(JSON_EXTRACT(CONVERT(m.body USING utf8mb4), '$.type')), CONVERT(m.kind USING utf8mb4)), ']')),
    CONCAT('[', CONVERT(m.kind USING utf8mb4), ']')),
  m.created_at, m.session_id, m.seq
FROM t_im_cursor c
  JOIN t_cs_session s ON s.conversation_key = c.conversation_key
  JOIN t_cs_message m ON m.conversation_key >= c.conversation_key AND m.conversation_key <= c.conversation_key
    AND m.seq >= GREATEST(c.delivered_seq + 1, c.visible_from, s.low_seq)
    AND m.seq <= LEAST(s.head_seq, COALESCE(c.leave_seq, s.head_seq))`,
  ],
}
