/// How long the follower waits for what. Nothing that is delivered depends on these: a slow source is asked again, never believed.
package struct LogLimits: Sendable, Equatable {
  /// A stream that was silent for this long is asked whether it is complete.
  package var idleAfter: Duration = .seconds(2)
  /// Between two such questions while nothing changes, at most; they start `idleAfter` apart.
  package var idleIntervalMax: Duration = .seconds(5)
  /// For opening a stream. Making the connection is part of it.
  package var open: Duration = .seconds(20)
  /// For one unary call, beside the client's own deadline.
  package var call: Duration = .seconds(20)
  /// For a FlushAll: it waits for schema changes that hold the cluster's lock.
  package var flush: Duration = .seconds(60)
  /// For a bounded dump to end. Servers end one of an idle channel within 0.2 s (`wal-protocol.md` §5.3).
  package var proof: Duration = .seconds(20)
  /// A stream that was opened and has not delivered the message it starts with for this long is looked into.
  package var undecidedAfter: Duration = .seconds(3)
  /// For a bounded dump over the whole readable log.
  package var wholeLog: Duration = .seconds(120)
  /// A message that a bounded dump showed has to come on the stream within this, else the stream stands still.
  package var stuckAfter: Duration = .seconds(5)
  /// Bounded dumps at the same time, over all pchannels: intermediaries limit the streams of a connection.
  package var proofsMax = 8
  /// A transaction is held whole before it is delivered; Milvus's own limit for one request is 64 MiB or 256 MiB.
  package var transactionBytesMax = 512 << 20
  /// Messages handed over at once to a consumer that takes many, about.
  package var batchBytesMax = 512 << 10
  package init() {}
}
