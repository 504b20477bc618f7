// The protos that ride in properties beside the type's own header (§2.4).

/// `_tx`: on begin, body, commit and rollback of a transaction.
package struct TransactionContext: LogRecord {
  package var id: Int64 = 0
  /// −1000: never expires.
  package var keepaliveMilliseconds: Int64 = 0
  package init() {}
  package init(id: Int64, keepaliveMilliseconds: Int64) {
    self.id = id
    self.keepaliveMilliseconds = keepaliveMilliseconds
  }
  package static let members: [LogMember<Self>] = [.number(1, \.id), .number(2, \.keepaliveMilliseconds)]
}

/// `_bh`: the same bytes on every copy of one broadcast. Lists come in random order.
package struct BroadcastHeader: LogRecord {
  package var id: UInt64 = 0
  /// All channels that get a copy.
  package var vchannels: [String] = []
  package var resourceKeys: [ResourceKey] = []
  package var ackSyncUp = false
  package init() {}
  package init(id: UInt64, vchannels: [String]) {
    self.id = id
    self.vchannels = vchannels
  }
  package static let members: [LogMember<Self>] = [
    .number(1, \.id), .texts(2, \.vchannels), .records(3, \.resourceKeys), .number(4, \.ackSyncUp),
  ]
}

/// What a broadcast locks. `domain`: 2 collection, 3 database, 4 privilege, 5 snapshot, 127 cluster.
package struct ResourceKey: LogRecord {
  package var domain: Int32 = 0
  package var key = ""
  package var isShared = false
  package init() {}
  package init(domain: Int32, key: String, isShared: Bool) {
    self.domain = domain
    self.key = key
    self.isShared = isShared
  }
  package static let members: [LogMember<Self>] = [
    .number(1, \.domain), .text(2, \.key), .number(3, \.isShared),
  ]
}

/// `_rh`: the message was itself replicated into this cluster. Everything describes the source's message; its log may
/// be of another kind.
package struct ReplicateHeader: LogRecord {
  package var clusterID = ""
  package var messageID: LogMessageID?
  package var lastConfirmed: LogMessageID?
  package var timeTick = TimeTick(0)
  package var vchannel = ""
  package init() {}
  package static let members: [LogMember<Self>] = [
    .text(1, \.clusterID), .messageID(2, \.messageID), .messageID(3, \.lastConfirmed),
    .number(4, \.timeTick), .text(5, \.vchannel),
  ]
}

/// `_ch`: the payload is ciphertext.
package struct CipherHeader: LogRecord {
  package var zoneID: Int64 = 0
  package var collectionID: Int64 = 0
  package var safeKey: [UInt8] = []
  /// Size of the plain text.
  package var payloadByteCount: Int64 = 0
  package init() {}
  package static let members: [LogMember<Self>] = [
    .number(1, \.zoneID), .number(2, \.collectionID), .bytes(3, \.safeKey), .number(4, \.payloadByteCount),
  ]
}
