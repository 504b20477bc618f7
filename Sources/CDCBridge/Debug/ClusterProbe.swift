package import MilvusWire

/// Finds out what a cluster is and can do, by reading alone unless FlushAll is allowed; every call has a short deadline, since some hang
/// instead of failing (`wal-protocol.md` §0 no. 21, §5, §7).
package struct ClusterProbe: Sendable {
  private static let roundTrips = 7
  /// For looking through the readable log for a token.
  private static let scanLimit = Duration.seconds(5)
  /// Clocks farther apart make the times of a log hard to read.
  private static let clockOffsetMaxMs: Int64 = 1000

  private let connection: ClusterConnection
  private let uri: String
  private let mayFlush: Bool
  private let time: RunnerTime

  package init(_ connection: ClusterConnection, uri: String, mayFlush: Bool, time: RunnerTime = .system) {
    self.connection = connection
    self.uri = uri
    self.mayFlush = mayFlush
    self.time = time
  }

  private static var deadlines: MilvusClient.Deadlines {
    var deadlines = MilvusClient.Deadlines()
    deadlines.metadata = .seconds(5)
    deadlines.configuration = .seconds(2)
    return deadlines
  }

  package func run() async -> ProbeReport {
    let client = MilvusClient(connection, deadlines: Self.deadlines)
    var anonymous = connection
    anonymous.token = Secret("")
    let nobody = MilvusClient(anonymous, deadlines: Self.deadlines)
    let report = await look(client, nobody)
    await client.close()
    await nobody.close()
    return report
  }

  private func look(_ client: MilvusClient, _ nobody: MilvusClient) async -> ProbeReport {
    var report = ProbeReport(uri: uri)
    do throws(CallError) {
      report.info = (try? await client.connect()) ?? ServerInfo()
      report.profile = try await ServerProfile.probe(client)
      report.login.isAccepted = true
    } catch {
      return await failed(report, error, client)
    }
    report.health = try? await client.checkHealth()
    if let health = report.health, !health.isHealthy || !health.quotaStates.isEmpty {
      report.warnings.append("the server limits itself or is not well: \(health.reasons.joined(separator: ", "))")
    }
    await measure(client, &report)
    await lookAtLogin(nobody, &report)
    await lookAtCatalogue(client, &report)
    if report.profile?.hasLog == true {
      await lookAtLog(client, nobody, &report)
      await lookAtRole(client, &report)
    }
    return report
  }

  /// A login that is refused still tells what is behind the port.
  private func failed(_ report: ProbeReport, _ error: CallError, _ client: MilvusClient) async -> ProbeReport {
    var report = report
    report.failure = error.shown
    report.failureCode = error.rpcCode
    if error.rpcCode == .unauthenticated {
      report.login = .init(isRequired: true, isAccepted: false, problem: "required, and not accepted")
    }
    return report
  }

  // MARK: Steps

  private func measure(_ client: MilvusClient, _ report: inout ProbeReport) async {
    for _ in 0..<Self.roundTrips {
      let start = time.now()
      guard (try? await client.getVersion()) != nil else { return }
      report.roundTripsMs.append((time.now() - start) / .milliseconds(1))
    }
    guard report.profile?.hasAllocTimestamp == true else { return }
    let (before, start) = (time.unixMs(), time.now())
    guard let tick = try? await client.allocTimestamp() else { return }
    let half = Int64((time.now() - start) / .milliseconds(2))
    let offset = tick.unixMilliseconds &- before &- half
    report.clockOffsetMs = offset
    if offset.magnitude > Self.clockOffsetMaxMs.magnitude {
      report.warnings.append("the server's clock and this host's are \(offset.magnitude) ms apart")
    }
  }

  private func lookAtLogin(_ nobody: MilvusClient, _ report: inout ProbeReport) async {
    do throws(CallError) {
      _ = try await nobody.listDatabases()
      report.login.isRequired = false
    } catch {
      if error.rpcCode == .unauthenticated || error.rpcCode == .permissionDenied { report.login.isRequired = true }
    }
  }

  private func lookAtCatalogue(_ client: MilvusClient, _ report: inout ProbeReport) async {
    report.databases = (try? await client.listDatabases()) ?? ["default"]
    for database in report.databases { report.collectionCount += ((try? await client.showCollections(database: database)) ?? []).count }
  }

  private func lookAtLog(_ client: MilvusClient, _ nobody: MilvusClient, _ report: inout ProbeReport) async {
    var log = ProbeReport.Log()
    let survey = LogSurvey(log: client, cluster: client, time: time)
    do {
      let now = try await survey.timestamp()
      if mayFlush { try await flush(client, &log) }
      if log.pchannels.isEmpty { log.pchannels = await survey.names().pchannels }
      guard let sample = log.pchannels.first else {
        log.problem = "no collection names a channel; --flush lets the cluster tell them"
        report.log = log
        return
      }
      let earliest = try await survey.earliest(sample, kind: nil, at: now)
      if !log.isComplete { log.pchannels = await survey.channels(known: log.pchannels, earliest: earliest, at: now) }
      log.replicationID = ChannelName.replicationID(ofPchannel: sample)
      for pchannel in log.pchannels {
        guard let first = try await survey.beginning(pchannel, earliest: earliest, until: now) else { continue }
        log.kind = first.id.kind
        log.oldest = min(log.oldest ?? first.timeTick, first.timeTick)
      }
      log.isOpenWithoutLogin = await isOpen(nobody, sample, earliest, now)
      if try await holdsToken(client, sample, earliest, now) {
        report.warnings.append(
          "the log holds the token of a cluster in clear text (AlterReplicateConfig): whoever may read the log has it; change that token")
      }
    } catch {
      log.problem = "cannot be read: \(error.shown)"
    }
    if log.kind == .woodPecker, report.profile?.version.map({ $0.major == 2 }) ?? false {
      report.warnings.append(
        "2.6 on WoodPecker forgets: a reader that is away for ten minutes may have lost its place, after a restart or FlushAll sooner")
    }
    if log.isOpenWithoutLogin == true, report.login.isRequired == true {
      report.warnings.append(
        "logins are required, but the log (DumpMessages) and replicate streams are open to everybody who reaches the port")
    }
    report.log = log
  }

  private func flush(_ client: MilvusClient, _ log: inout ProbeReport.Log) async throws(CallError) {
    let answer = try await client.flushAll()
    (log.pchannels, log.controlChannel) = (answer.pchannels, answer.controlChannel)
    log.flushAllClusterID = answer.clusterID
    log.isComplete = true
    log.kind = answer.messages.values.first?.id.kind
  }

  private func isOpen(_ nobody: MilvusClient, _ pchannel: String, _ earliest: LogIDFormat.Start, _ now: TimeTick) async -> Bool? {
    guard !connection.token.isEmpty else { return nil }
    return (try? await LogSurvey(log: nobody, cluster: nobody, time: time).prove(pchannel, earliest: earliest, upTo: now)) != nil
  }

  /// Configurations of replication are on every channel, so one is enough.
  private func holdsToken(_ client: MilvusClient, _ pchannel: String, _ earliest: LogIDFormat.Start, _ now: TimeTick)
    async throws(CallError) -> Bool
  {
    let calls = LogCalls(log: client, limits: LogLimits(), time: time)
    let request = DumpRequest(pchannel: pchannel, start: earliest.id, isInclusive: earliest.isInclusive, endTick: now)
    let answer = try? await calls.ask(request, within: Self.scanLimit) { message in
      guard message.type == .alterReplicateConfig, case .alterReplicateConfig(let change)? = try? LogChange(message) else { return false }
      return change.configuration?.hasTokens ?? false
    }
    if case .message? = answer { return true }
    return false
  }

  private func lookAtRole(_ client: MilvusClient, _ report: inout ProbeReport) async {
    guard let pchannel = report.log?.pchannels.first else { return }
    do throws(CallError) {
      let info = try await client.replicateInfo(sourceClusterID: "", targetPchannel: pchannel)
      if let checkpoint = info.checkpoint {
        report.role =
          "secondary of \(checkpoint.clusterID), "
          + (checkpoint.hasReceivedNothing
            ? "nothing has arrived yet" : "\(pchannel) has everything up to \(TickText.time(checkpoint.timeTick))")
      } else if info.salvageCheckpoint != nil {
        report.role = "primary, promoted by force: salvage shows what never arrived"
      } else {
        report.role = "primary, or not configured for replication"
      }
    } catch {
      report.role = "not known: \(error.shown)"
    }
    report.configuration = (try? await client.replicateConfiguration()) ?? nil
  }
}
