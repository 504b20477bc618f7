package import MilvusWire

/// Which path answers what (`task-api.md` §1.1, `design.md` §4), and who may ask.
package struct Router: Sendable {
  package struct Settings: Sendable {
    /// Required as `Authorization: Bearer …` on every path but the probes; nil: everybody may ask.
    package var token: Secret?
    /// The HTTP status says what the envelope's `code` says; off, it is always 200 as in the original.
    package var mirrorsCode = false
    package init() {}
  }

  private let api: TaskAPI
  private let settings: Settings
  private let metrics: RequestMetrics
  private let timekeeper: any Timekeeper
  private let isReady: @Sendable () -> Bool

  package init(
    api: TaskAPI, settings: Settings = Settings(), metrics: RequestMetrics = RequestMetrics(),
    timekeeper: any Timekeeper = SystemTimekeeper(), isReady: @escaping @Sendable () -> Bool = { true }
  ) {
    self.api = api
    self.settings = settings
    self.metrics = metrics
    self.timekeeper = timekeeper
    self.isReady = isReady
  }

  package func answer(_ request: HTTPRequest) async -> HTTPResponse {
    if let response = probe(request) { return response }
    if let refusal = refuseStranger(request) { return refusal }
    switch request.path {
    case "/cdc": return await answerTaskAPI(request)
    case "/version":
      return page(request) {
        HTTPResponse(envelope: ["version": .string(bridgeVersion), "name": "cdc-bridge"])
      }
    case "/cdc/metrics":
      let snapshots = await api.manager.snapshots()
      return page(request) { metricsPage(snapshots) }
    case "/":
      let snapshots = await api.manager.snapshots()
      return page(request) { StatusPage(views: api.views).response(snapshots) }
    default:
      if let clean = Self.cleanPath(request.path) {
        var response = HTTPResponse(.movedPermanently, text: "")
        response.fields = [.init(name: "Location", value: clean)]
        return response
      }
      return HTTPResponse(.notFound, text: "404 page not found\n")
    }
  }

  /// Asked by machines without credentials, and telling nothing.
  private func probe(_ request: HTTPRequest) -> HTTPResponse? {
    switch request.path {
    case "/healthz": page(request) { HTTPResponse(text: "ok\n") }
    case "/readyz":
      page(request) {
        isReady() ? HTTPResponse(text: "ready\n") : HTTPResponse(.serviceUnavailable, text: "not ready\n")
      }
    default: nil
    }
  }

  private func page(_ request: HTTPRequest, _ body: () -> HTTPResponse) -> HTTPResponse {
    guard request.method == "GET" || request.method == "HEAD" else {
      var response = HTTPResponse(.methodNotAllowed, text: "405 only GET and HEAD\n")
      response.fields = [.init(name: "Allow", value: "GET, HEAD")]
      return response
    }
    return body()
  }

  private func answerTaskAPI(_ request: HTTPRequest) async -> HTTPResponse {
    guard request.method == "POST" else {
      metrics.count(nil, .total)
      metrics.count(nil, .invalidMethod)
      var response = HTTPResponse(
        status(405), envelope: Envelope.failure(405, "only support the POST method"))
      response.fields = [.init(name: "Allow", value: "POST")]
      return response
    }
    let started = timekeeper.now
    let answer = await api.answer(body: request.body)
    metrics.count(answer.type, .total)
    switch answer.outcome {
    case .success:
      metrics.count(answer.type, .success)
      if let type = answer.type { metrics.observe(type, took: timekeeper.now - started) }
    case .refused: metrics.count(answer.type, .fail)
    case .malformed: metrics.count(answer.type, .unmarshalError)
    }
    return HTTPResponse(status(answer.code), envelope: answer.envelope)
  }

  private func status(_ code: Int) -> HTTPStatus {
    settings.mirrorsCode ? HTTPStatus(rawValue: code) ?? .internalServerError : .ok
  }

  private func metricsPage(_ snapshots: [TaskManager.Snapshot]) -> HTTPResponse {
    var text = MetricsText()
    TaskMetrics(views: api.views).append(snapshots, to: &text)
    metrics.append(to: &text)
    return HTTPResponse(
      .ok, contentType: "text/plain; version=0.0.4; charset=utf-8", body: Array(text.text.utf8))
  }

  // MARK: Who may ask

  private func refuseStranger(_ request: HTTPRequest) -> HTTPResponse? {
    guard isFromHere(request) else {
      return HTTPResponse(
        .forbidden, envelope: Envelope.failure(403, "requests of another site's pages are refused"))
    }
    guard let token = settings.token else { return nil }
    let given = request.value(of: "authorization") ?? ""
    let scheme = "bearer "
    let isBearer = given.prefix(scheme.count).lowercased() == scheme
    let text = isBearer ? String(given.dropFirst(scheme.count).trimmingSpace()) : ""
    guard Self.isSame(text, token.revealed), isBearer else {
      var response = HTTPResponse(
        .unauthorized, envelope: Envelope.failure(401, "the request needs a valid bearer token"))
      response.fields = [.init(name: "WWW-Authenticate", value: "Bearer realm=\"cdc-bridge\"")]
      return response
    }
    return nil
  }

  /// A browser on the operator's machine can reach the loopback address too: a page of another origin must not create or delete tasks
  /// with it. Browsers mark such requests; other clients send neither field.
  private func isFromHere(_ request: HTTPRequest) -> Bool {
    if request.value(of: "sec-fetch-site") == "cross-site" { return false }
    let origins = request.fields.filter { $0.name == "origin" }.map(\.value)
    guard let origin = origins.first else { return true }
    guard origins.count == 1, let host = request.value(of: "host"), let scheme = origin.firstRange(of: "://")
    else { return false }
    return origin[scheme.upperBound...].lowercased() == host.lowercased()
  }

  /// Takes the same time wherever the texts differ; only the length of the given one shows.
  static func isSame(_ given: String, _ expected: String) -> Bool {
    let (given, expected) = (Array(given.utf8), Array(expected.utf8))
    guard !expected.isEmpty else { return false }
    var difference = given.count ^ expected.count
    for (position, byte) in given.enumerated() {
      difference |= Int(byte ^ expected[position % expected.count])
    }
    return difference == 0
  }

  /// Where a path with doubled slashes or dots leads; nil for a clean one. Never leaves this host: it begins with one slash.
  private static func cleanPath(_ path: String) -> String? {
    guard path.hasPrefix("/"), path.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
    var parts: [Substring] = []
    for part in path.split(separator: "/") {
      switch part {
      case ".": break
      case "..": _ = parts.popLast()
      default: parts.append(part)
      }
    }
    let clean = "/" + parts.joined(separator: "/") + (path.hasSuffix("/") && !parts.isEmpty ? "/" : "")
    return clean == path ? nil : clean
  }
}
