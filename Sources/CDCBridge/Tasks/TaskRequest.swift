package import MilvusWire

/// The content of a `create` request as it was submitted (`task-api.md` §2.2, `design.md` §4): what views show and what is stored.
package struct TaskRequest: Sendable, Equatable {
  /// `milvus_connect_param` and `source_connect_param`.
  package struct Connection: Sendable, Equatable {
    package struct Dial: Sendable, Equatable {
      package var serverName = "", serverPEMPath = "", caPEMPath = "", clientPEMPath = "", clientKeyPath = ""
      package init() {}
    }
    package var uri = ""
    package var token = Secret("")
    package var host = ""
    package var port = 0
    package var enableTLS = false
    package var username = Secret("")
    package var password = Secret("")
    /// Seconds; 0: the default of 5.
    package var connectTimeout = 0
    package var channelNum = 0
    package var ignorePartition = false
    package var dial = Dial()
    package init() {}
    /// True where it describes a destination at all (rule 1).
    package var isGiven: Bool { !uri.isEmpty || !host.isEmpty || port > 0 }
  }
  /// Decoded so that its refusal can be clear: this build writes to Milvus only.
  package struct Kafka: Sendable, Equatable {
    package var address = "", topic = ""
    package var enableSASL = false
    package var mechanisms = "", securityProtocol = ""
    package init() {}
  }
  package struct Collection: Sendable, Equatable {
    package var name = ""
    /// Virtual channel and base64 position, in the order of the request.
    package var positions: [Position] = []
    package var useStartPosition = false
    package init(name: String = "") { self.name = name }
  }
  package struct Position: Sendable, Equatable {
    package var channel: String
    package var position: String
  }
  package struct Database: Sendable, Equatable {
    package var name: String
    package var collections: [Collection]
  }
  package struct Mapping: Sendable, Equatable {
    package struct Rename: Sendable, Equatable {
      package var source: String
      package var target: String
    }
    package var sourceDatabase = "", targetDatabase = ""
    package var collections: [Rename] = []
    package init() {}
  }
  package var target = Connection()
  package var kafka = Kafka()
  package var source: Connection?
  package var collectionInfos: [Collection] = []
  package var databases: [Database] = []
  package var mappings: [Mapping] = []
  package var rpcChannelName = ""
  package var rpcChannelPosition = ""
  package var enableUserRole = false
  package var bufferPeriod = 0
  package var bufferSize = 0
  package var disableAutoStart = false
  /// Empty: an id is made.
  package var taskID = ""
  package var capture = TaskSpec.Capture.auto
  package var apply = TaskSpec.Apply.public
  package var initialCopy = true
  package var reconcileIntervalSeconds = 30.0
  package var ddl = TaskSpec.DDLPolicy.apply
  package var endAt: TimeTick?
  package var onGap = TaskSpec.GapPolicy.heal
  package var dryRun = false
  package var adopt = false

  package init() {}

  /// Every entry of both lists with its database; `collection_infos` always means `default`.
  package var entries: [(database: String, collection: Collection)] {
    collectionInfos.map { ("default", $0) }
      + databases.flatMap { database in
        database.collections.map { (database.name.isEmpty ? "default" : database.name, $0) }
      }
  }
}
