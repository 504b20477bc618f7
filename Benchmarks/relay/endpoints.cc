// Source and target of the relay benchmark, on nghttp2: fast enough that the relay between them is what is measured.
//
//   endpoints source PORT RAWPORT PCHANNELS     a log: DumpMessages and what else a bridge asks of a source
//   endpoints target PORT RAWPORT               a standby: CreateReplicateStream, GetReplicateInfo
//
// One thread each. A line on standard input is a command, a line of JSON on standard output its answer:
//   source: `fill COUNT SIZE` appends to every pchannel; `drip COUNT SIZE MICROSECONDS` appends one at a time; `state`
//   target: `state` tells messages, bytes, ticks and the delay since each message was written to the wire; `reset` forgets the delays
// The raw ports carry the same messages behind the same length prefixes without HTTP/2: one way, for the proxy between sockets.
//
// Nothing is stored: entry n of a pchannel's log is made again whenever it is asked for. What is not known is answered with an empty message, which is
// what OK looks like. The target checks that the ticks of each pchannel rise, and confirms every message, as a real one does.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

using std::string;
typedef uint64_t u64;

static const size_t outMax = 256 << 10;  // bytes for one write
static const size_t bodyMax = 256 << 10; // bytes of one stream made ahead of their frames

static u64 nanoseconds(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return u64(t.tv_sec) * 1000000000 + u64(t.tv_nsec);
}
static u64 tickNow() { return (nanoseconds(CLOCK_REALTIME) / 1000000) << 18; }

// --- protobuf

static void putVarint(string &to, u64 v) {
  while (v >= 0x80) to.push_back(char(v | 0x80)), v >>= 7;
  to.push_back(char(v));
}
static void putNumber(string &to, int field, u64 v) { putVarint(to, u64(field) << 3), putVarint(to, v); }
static void putBytes(string &to, int field, const string &v) { putVarint(to, u64(field) << 3 | 2), putVarint(to, v.size()), to += v; }
static size_t varintBytes(u64 v) {
  size_t n = 1;
  while (v >= 0x80) v >>= 7, n++;
  return n;
}

struct Part {
  const uint8_t *at = nullptr, *end = nullptr;
  size_t size() const { return size_t(end - at); }
  string text() const { return string((const char *)at, size()); }
};
struct Field {
  int number = 0;
  u64 value = 0;
  Part part;
};
static bool getVarint(Part &in, u64 &v) {
  v = 0;
  for (int shift = 0; in.at < in.end && shift < 64; shift += 7) {
    uint8_t b = *in.at++;
    v |= u64(b & 0x7f) << shift;
    if (b < 0x80) return true;
  }
  return false;
}
static bool next(Part &in, Field &f) {
  u64 tag;
  if (in.at >= in.end || !getVarint(in, tag)) return false;
  f.number = int(tag >> 3);
  f.part = Part();
  f.value = 0;
  if ((tag & 7) == 0) return getVarint(in, f.value);
  u64 count = (tag & 7) == 1 ? 8 : (tag & 7) == 5 ? 4 : 0;
  if ((tag & 7) == 2 && !getVarint(in, count)) return false;
  if (count > in.size()) return false;
  f.part.at = in.at, f.part.end = in.at += count;
  return true;
}

static string base36(u64 v) {
  string s;
  do s.insert(s.begin(), "0123456789abcdefghijklmnopqrstuvwxyz"[v % 36]);
  while (v /= 36);
  return s;
}
static u64 base36(const Part &p) {
  u64 v = 0;
  for (auto c = p.at; c < p.end; c++) v = v * 36 + u64(*c <= '9' ? *c - '0' : *c - 'a' + 10);
  return v;
}
static const char digits64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static string base64(const string &in) {
  string s;
  for (size_t i = 0; i < in.size(); i += 3) {
    uint32_t v = 0;
    for (size_t k = 0; k < 3; k++) v = v << 8 | (i + k < in.size() ? uint8_t(in[i + k]) : 0);
    for (size_t k = 0; k < 4; k++) s.push_back(k <= in.size() - i ? digits64[v >> (18 - 6 * k) & 63] : '=');
  }
  return s;
}
static string unbase64(const string &in) {
  string s;
  uint32_t v = 0;
  int bits = 0;
  for (char c : in) {
    auto at = strchr(digits64, c);
    if (!at || !c) break;
    v = v << 6 | uint32_t(at - digits64);
    if ((bits += 6) >= 8) s.push_back(char(v >> (bits -= 8)));
  }
  return s;
}
static string messageID(u64 entry) {
  string id, text;
  putNumber(text, 1, 1), putNumber(text, 2, entry);
  putBytes(id, 1, base64(text)), putNumber(id, 2, 4);
  return id;
}
static void property(string &to, const char *key, const string &value) {
  string pair;
  putBytes(pair, 1, key), putBytes(pair, 2, value);
  putBytes(to, 3, pair);
}

// --- the log

/// Entries that were appended together: same size, ticks one after the other.
struct Run {
  u64 first, count, firstTick;
  size_t size;
  bool isFlush;
};
struct Log {
  string pchannel;
  std::vector<Run> runs;
  u64 count = 1; // WoodPecker's entry 0 is no message
  u64 lastTick = 0;
};
static std::vector<Log> logs;
static u64 lastGivenTick = 0;
static string filler(2 << 20, '\x5a');

static u64 append(Log &log, u64 count, size_t size, bool isFlush) {
  u64 tick = std::max({tickNow(), lastGivenTick, log.lastTick}) + 1;
  log.runs.push_back({log.count, count, tick, size, isFlush});
  log.count += count;
  log.lastTick = tick + count - 1;
  return tick;
}

/// An `ImmutableMessage` of about `size` bytes, all in all.
static void putMessage(string &to, const Log &log, const Run &run, u64 entry) {
  u64 tick = run.firstTick + (entry - run.first);
  static string head, tail, body;
  head.clear(), tail.clear(), body.clear();
  putBytes(head, 1, messageID(entry));
  string insertHeader, partition;
  putNumber(insertHeader, 1, 470), putNumber(partition, 1, 471), putNumber(partition, 2, 1), putBytes(insertHeader, 2, partition);
  property(tail, "_v", run.isFlush ? "2" : "1");
  property(tail, "_t", run.isFlush ? "37" : "2");
  property(tail, "_wt", "1");
  property(tail, "_tt", base36(tick));
  property(tail, "_lcs", "");
  property(tail, "_vc", log.pchannel + (run.isFlush ? "" : "_470v0"));
  property(tail, "_h", run.isFlush ? "" : base64(insertHeader));
  property(tail, "_bench_ns", base36(nanoseconds(CLOCK_MONOTONIC)));
  size_t fill = 0;
  if (!run.isFlush) {
    putBytes(body, 2, log.pchannel + "_470v0"), putBytes(body, 4, "bench"), putBytes(body, 5, "_default");
    putNumber(body, 7, 470), putNumber(body, 8, 471), putNumber(body, 9, 472), putNumber(body, 14, 1), putNumber(body, 15, 1);
    size_t have = head.size() + tail.size() + body.size() + 10;
    fill = run.size > have ? run.size - have : 1;
    putVarint(body, 13 << 3 | 2), putVarint(body, fill);
  }
  size_t inner = head.size() + tail.size() + 1 + varintBytes(body.size() + fill) + body.size() + fill;
  putVarint(to, 2 << 3 | 2), putVarint(to, inner);
  to += head;
  putVarint(to, 2 << 3 | 2), putVarint(to, body.size() + fill);
  to += body;
  to.append(filler, 0, fill);
  to += tail;
}

// --- streams of bytes with messages

static void putFrame(string &to, const string &message) {
  char prefix[5] = {0, char(message.size() >> 24), char(message.size() >> 16), char(message.size() >> 8), char(message.size())};
  to.append(prefix, 5);
  to += message;
}

/// A reader of one log.
struct Cursor {
  Log *log = nullptr;
  u64 entry = 1, endTick = 0;
  /// False: everything there is was read.
  bool put(string &to) {
    if (!log || entry >= log->count) return false;
    auto run = std::upper_bound(log->runs.begin(), log->runs.end(), entry, [](u64 e, const Run &r) { return e < r.first; }) - 1;
    if (endTick && run->firstTick + (entry - run->first) > endTick) return false;
    size_t at = to.size();
    to.append(5, 0);
    putMessage(to, *log, *run, entry++);
    size_t n = to.size() - at - 5;
    for (int i = 0; i < 4; i++) to[at + 1 + size_t(i)] = char(n >> (24 - 8 * i));
    return true;
  }
  void skipBelow(u64 tick) {
    if (!log) return;
    for (auto &run : log->runs) {
      if (run.firstTick + run.count - 1 < tick) entry = std::max(entry, run.first + run.count);
      else if (run.firstTick < tick) entry = std::max(entry, run.first + (tick - run.firstTick));
    }
  }
};

/// What the target has of a pchannel.
struct Taken {
  u64 messages = 0, bytes = 0, tick = 0, disorder = 0;
  string id;
};
static std::map<string, Taken> taken;
static std::vector<uint32_t> delays; // microseconds
static bool isStandby = false;

/// Takes the `ImmutableMessage` in a request; returns its tick.
static u64 take(Part message) {
  Field f;
  u64 tick = 0, sent = 0;
  Part id, channel;
  size_t bytes = message.size();
  while (next(message, f)) {
    if (f.number == 1) id = f.part;
    if (f.number != 3) continue;
    Field p;
    Part key, value;
    while (next(f.part, p)) (p.number == 1 ? key : value) = p.part;
    if (key.size() == 3 && !memcmp(key.at, "_tt", 3)) tick = base36(value);
    if (key.size() == 3 && !memcmp(key.at, "_vc", 3)) channel = value;
    if (key.size() == 9 && !memcmp(key.at, "_bench_ns", 9)) sent = base36(value);
  }
  auto cut = std::find(std::make_reverse_iterator(channel.end), std::make_reverse_iterator(channel.at), '_');
  string pchannel((const char *)channel.at, size_t(std::max<ptrdiff_t>(0, cut.base() - channel.at - 1)));
  auto &t = taken[pchannel];
  if (tick <= t.tick) t.disorder++;
  else t.tick = tick, t.id = id.text();
  t.messages++, t.bytes += bytes;
  if (delays.size() < (1 << 20)) delays.push_back(uint32_t((nanoseconds(CLOCK_MONOTONIC) - sent) / 1000));
  return tick;
}

/// Cuts bytes into messages.
struct Deframer {
  string held;
  template <class Each> void feed(const uint8_t *data, size_t n, Each each) {
    held.append((const char *)data, n);
    size_t at = 0;
    while (held.size() - at >= 5) {
      auto p = (const uint8_t *)held.data() + at;
      size_t count = size_t(p[1]) << 24 | size_t(p[2]) << 16 | size_t(p[3]) << 8 | p[4];
      if (held.size() - at - 5 < count) break;
      each(Part{p + 5, p + 5 + count});
      at += 5 + count;
    }
    held.erase(0, at);
  }
};

// --- gRPC

struct Stream {
  string path, body;
  size_t sent = 0;
  Deframer in;
  Cursor cursor;
  bool isDump = false, isFollowing = false, isReplicate = false, isOver = false, isDeferred = false;
};

static string unary(const string &path, Part request) {
  auto method = path.substr(path.rfind('/') + 1);
  string answer, inner, status;
  Field f;
  if (method == "GetVersion") putBytes(answer, 2, "2.6.23");
  if (method == "Connect") putBytes(inner, 1, "2.6.23"), putBytes(answer, 2, inner);
  if (method == "ListDatabases") putBytes(answer, 2, "default");
  if (method == "AllocTimestamp") putNumber(answer, 2, lastGivenTick = std::max(tickNow(), lastGivenTick));
  if (method == "GetReplicateConfiguration") putNumber(status, 3, 10000), putBytes(answer, 1, status);
  if (method == "UpdateReplicateConfiguration") isStandby = true;
  if (method == "GetReplicateInfo" && isStandby) {
    string pchannel;
    while (next(request, f))
      if (f.number == 2) pchannel = "src" + f.part.text().substr(3);
    auto &t = taken[pchannel];
    putBytes(inner, 1, "src"), putBytes(inner, 2, pchannel), putBytes(inner, 3, t.id), putNumber(inner, 4, t.tick);
    putBytes(answer, 1, inner);
  }
  if (method == "FlushAll") {
    string cluster;
    putBytes(cluster, 1, "0");
    for (auto &log : logs) {
      u64 entry = log.count;
      append(log, 1, 0, true);
      string entryBytes, message;
      putMessage(message, log, log.runs.back(), entry); // behind its field 2, as in a map's entry
      putBytes(entryBytes, 1, log.pchannel);
      putBytes(answer, 4, entryBytes + message);
      if (&log == &logs.front()) putBytes(cluster, 2, log.pchannel + "_vcchan");
      putBytes(cluster, 3, log.pchannel);
    }
    putBytes(answer, 5, cluster);
  }
  return answer;
}

static void beginDump(Stream &s, Part request) {
  Field f, g;
  u64 startTick = 0;
  s.isDump = true;
  while (next(request, f)) {
    if (f.number == 1)
      for (auto &log : logs)
        if (log.pchannel == f.part.text()) s.cursor.log = &log;
    if (f.number == 2)
      while (next(f.part, g))
        if (g.number == 1) {
          string id = unbase64(g.part.text());
          Part p{(const uint8_t *)id.data(), (const uint8_t *)id.data() + id.size()};
          Field n;
          while (next(p, n))
            if (n.number == 2) s.cursor.entry = std::max<u64>(1, n.value);
        }
    if (f.number == 3) startTick = f.value;
    if (f.number == 4) s.cursor.endTick = f.value;
  }
  s.cursor.skipBelow(startTick);
  s.isFollowing = s.cursor.endTick == 0;
}

struct Connection {
  int fd;
  bool isRaw;
  nghttp2_session *session = nullptr;
  std::map<int32_t, std::unique_ptr<Stream>> streams;
  string out;
  size_t written = 0;
  Cursor raw;
  Deframer rawIn;
  bool isBroken = false;

  Connection(int fd, bool isRaw) : fd(fd), isRaw(isRaw) {}
  ~Connection() {
    if (session) nghttp2_session_del(session);
    close(fd);
  }

  static Connection *of(void *p) { return (Connection *)p; }
  Stream *stream(int32_t id) {
    auto found = streams.find(id);
    return found == streams.end() ? nullptr : found->second.get();
  }

  void begin() {
    nghttp2_session_callbacks *c;
    nghttp2_session_callbacks_new(&c);
    nghttp2_session_callbacks_set_on_begin_headers_callback(c, [](nghttp2_session *, const nghttp2_frame *f, void *p) {
      auto &s = of(p)->streams[f->hd.stream_id];
      if (!s) s.reset(new Stream);
      return 0;
    });
    nghttp2_session_callbacks_set_on_header_callback(
        c, [](nghttp2_session *, const nghttp2_frame *f, const uint8_t *n, size_t nn, const uint8_t *v, size_t vn, uint8_t, void *p) {
          auto s = of(p)->stream(f->hd.stream_id);
          if (s && nn == 5 && !memcmp(n, ":path", 5)) s->path.assign((const char *)v, vn);
          return 0;
        });
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, [](nghttp2_session *, const nghttp2_frame *f, void *p) {
      auto self = of(p);
      auto s = self->stream(f->hd.stream_id);
      if (!s) return 0;
      if (f->hd.type == NGHTTP2_HEADERS && s->path.size() > 21 && s->path.substr(s->path.size() - 21) == "CreateReplicateStream") {
        s->isReplicate = true;
        self->respond(f->hd.stream_id);
      }
      if (f->hd.flags & NGHTTP2_FLAG_END_STREAM && s->isReplicate) self->over(f->hd.stream_id);
      return 0;
    });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        c, [](nghttp2_session *, uint8_t, int32_t id, const uint8_t *data, size_t n, void *p) {
          auto self = of(p);
          auto s = self->stream(id);
          if (!s) return 0;
          size_t before = s->body.size();
          s->in.feed(data, n, [&](Part m) { self->received(id, *s, m); });
          if (s->isReplicate && s->body.size() > before) self->resume(id);
          return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(c, [](nghttp2_session *, int32_t id, uint32_t, void *p) {
      of(p)->streams.erase(id);
      return 0;
    });
    nghttp2_session_callbacks_set_send_data_callback(
        c, [](nghttp2_session *, nghttp2_frame *f, const uint8_t *head, size_t n, nghttp2_data_source *, void *p) -> int {
          auto self = of(p);
          if (self->out.size() >= outMax) return NGHTTP2_ERR_WOULDBLOCK;
          auto s = self->stream(f->hd.stream_id);
          self->out.append((const char *)head, 9);
          self->out.append(s->body, s->sent, n);
          s->sent += n;
          if (s->sent == s->body.size()) s->body.clear(), s->sent = 0;
          return 0;
        });
    nghttp2_session_server_new(&session, c, this);
    nghttp2_session_callbacks_del(c);
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 4 << 20}, {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1000}};
    nghttp2_submit_settings(session, 0, settings, 2);
    nghttp2_session_set_local_window_size(session, 0, 0, 64 << 20);
  }

  void respond(int32_t id) {
    auto nv = [](const char *n, const char *v) {
      return nghttp2_nv{(uint8_t *)n, (uint8_t *)v, strlen(n), strlen(v), 0};
    };
    nghttp2_nv headers[] = {nv(":status", "200"), nv("content-type", "application/grpc")};
    nghttp2_data_provider body;
    body.read_callback = [](nghttp2_session *session, int32_t id, uint8_t *, size_t length, uint32_t *flags, nghttp2_data_source *, void *p) -> ssize_t {
      auto s = of(p)->stream(id);
      if (!s) return NGHTTP2_ERR_CALLBACK_FAILURE;
      size_t ready = s->body.size() - s->sent;
      if (s->isDump && ready < length) {
        s->body.erase(0, s->sent), s->sent = 0;
        while (s->body.size() < bodyMax && s->cursor.put(s->body)) {}
        ready = s->body.size();
        if (!s->isFollowing && ready == 0) s->isOver = true;
      }
      size_t n = std::min(length, ready);
      if (n == 0 && !s->isOver) {
        s->isDeferred = true;
        return NGHTTP2_ERR_DEFERRED;
      }
      *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
      if (s->isOver && n == ready) {
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        nghttp2_nv status{(uint8_t *)"grpc-status", (uint8_t *)"0", 11, 1, 0};
        nghttp2_submit_trailer(session, id, &status, 1);
      }
      return ssize_t(n);
    };
    nghttp2_submit_response(session, id, headers, 2, &body);
  }

  void resume(int32_t id) {
    auto s = stream(id);
    if (s && s->isDeferred) s->isDeferred = false, nghttp2_session_resume_data(session, id);
  }
  void over(int32_t id) {
    stream(id)->isOver = true;
    resume(id);
  }

  void received(int32_t id, Stream &s, Part m) {
    if (s.isReplicate) {
      Field f, g;
      while (next(m, f))
        while (f.number == 1 && next(f.part, g))
          if (g.number == 2) {
            string info, answer;
            putNumber(info, 1, take(g.part));
            putBytes(answer, 1, info);
            putFrame(s.body, answer);
          }
    } else if (s.path.size() > 12 && s.path.substr(s.path.size() - 12) == "DumpMessages") {
      beginDump(s, m);
      respond(id);
    } else {
      putFrame(s.body, unary(s.path, m));
      s.isOver = true;
      respond(id);
    }
  }

  void grown() {
    if (session)
      for (auto &s : streams)
        if (s.second->isFollowing) resume(s.first);
  }

  void read() {
    static std::vector<uint8_t> buffer(1 << 20);
    ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n == 0 || (n < 0 && errno != EAGAIN)) isBroken = true;
    if (n <= 0) return;
    if (isRaw)
      rawIn.feed(buffer.data(), size_t(n), [](Part m) {
        Field f;
        while (next(m, f))
          if (f.number == 2) take(f.part);
      });
    else if (nghttp2_session_mem_recv(session, buffer.data(), size_t(n)) < 0) isBroken = true;
  }

  void write() {
    while (true) {
      if (written == out.size()) {
        out.clear(), written = 0;
        if (isRaw)
          while (out.size() < outMax && raw.put(out)) {}
        else
          while (out.size() < outMax) {
            const uint8_t *data;
            ssize_t n = nghttp2_session_mem_send(session, &data);
            if (n < 0) isBroken = true;
            if (n <= 0) break;
            out.append((const char *)data, size_t(n));
          }
        if (out.empty()) return;
      }
      ssize_t n = send(fd, out.data() + written, out.size() - written, MSG_NOSIGNAL);
      if (n < 0) {
        if (errno != EAGAIN) isBroken = true;
        return;
      }
      written += size_t(n);
    }
  }
};

static int listening(const char *port) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in a{};
  a.sin_family = AF_INET, a.sin_port = htons(uint16_t(atoi(port))), a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, (sockaddr *)&a, sizeof a) || listen(fd, 64)) exit(2);
  return fd;
}

static void printState() {
  Taken sum;
  for (auto &t : taken) sum.messages += t.second.messages, sum.bytes += t.second.bytes, sum.disorder += t.second.disorder;
  std::sort(delays.begin(), delays.end());
  auto at = [&](double part) { return delays.empty() ? 0 : delays[size_t(double(delays.size() - 1) * part)]; };
  u64 made = 0;
  for (auto &log : logs) made += log.count - 1;
  printf("{\"made\": %llu, \"messages\": %llu, \"bytes\": %llu, \"disorder\": %llu, \"p50_us\": %u, \"p99_us\": %u, \"delays\": %zu}\n", (unsigned long long)made,
         (unsigned long long)sum.messages, (unsigned long long)sum.bytes, (unsigned long long)sum.disorder, at(0.5), at(0.99), delays.size());
  fflush(stdout);
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  bool isSource = !strcmp(argv[1], "source");
  for (int i = 0; isSource && i < atoi(argv[4]); i++) logs.push_back({"src-rootcoord-dml_" + std::to_string(i), {}});
  // A target's channels, as its FlushAll tells them, have its own name.
  for (int i = 0; !isSource && i < atoi(argc > 4 ? argv[4] : "1"); i++) logs.push_back({"dst-rootcoord-dml_" + std::to_string(i), {}});
  signal(SIGPIPE, SIG_IGN);
  int doors[2] = {listening(argv[2]), listening(argv[3])};
  std::vector<std::unique_ptr<Connection>> connections;
  string line;
  u64 dripLeft = 0, dripAt = 0, dripPause = 0;
  size_t dripSize = 0;
  printf("{\"ready\": true}\n"), fflush(stdout);
  while (true) {
    std::vector<pollfd> waits = {{0, POLLIN, 0}, {doors[0], POLLIN, 0}, {doors[1], POLLIN, 0}};
    for (auto &c : connections) {
      bool wants = c->written < c->out.size();
      waits.push_back({c->fd, short(wants ? POLLIN | POLLOUT : POLLIN), 0});
    }
    u64 now = nanoseconds(CLOCK_MONOTONIC);
    timespec limit{};
    if (dripLeft && dripAt > now) limit.tv_sec = time_t((dripAt - now) / 1000000000), limit.tv_nsec = long((dripAt - now) % 1000000000);
    ppoll(waits.data(), waits.size(), dripLeft ? &limit : nullptr, nullptr);
    bool hasGrown = false;
    if (dripLeft && nanoseconds(CLOCK_MONOTONIC) >= dripAt) {
      for (auto &log : logs) append(log, 1, dripSize, false);
      dripLeft--, dripAt += dripPause, hasGrown = true;
    }
    if (waits[0].revents) {
      char text[256];
      ssize_t n = read(0, text, sizeof text);
      if (n <= 0) return 0;
      line.append(text, size_t(n));
      for (size_t end; (end = line.find('\n')) != string::npos; line.erase(0, end + 1)) {
        string command = line.substr(0, end);
        unsigned long long a = 0, b = 0, c = 0;
        if (sscanf(command.c_str(), "fill %llu %llu", &a, &b) == 2) {
          for (auto &log : logs) append(log, a, b, false);
          hasGrown = true;
        } else if (sscanf(command.c_str(), "drip %llu %llu %llu", &a, &b, &c) == 3) {
          dripLeft = a, dripSize = b, dripPause = c * 1000, dripAt = nanoseconds(CLOCK_MONOTONIC);
        } else if (command == "reset") {
          delays.clear();
        }
        printState();
      }
    }
    for (int d = 0; d < 2; d++)
      if (waits[size_t(1 + d)].revents) {
        int fd = accept4(doors[d], nullptr, nullptr, SOCK_NONBLOCK), on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        connections.emplace_back(new Connection(fd, d == 1));
        if (d == 0) connections.back()->begin();
        else if (isSource) connections.back()->raw.log = &logs[0];
      }
    for (size_t i = 0; i + 3 < waits.size(); i++)
      if (waits[i + 3].revents & (POLLIN | POLLHUP | POLLERR)) connections[i]->read();
    for (auto &c : connections) {
      if (hasGrown) c->grown();
      if (!c->isBroken) c->write();
    }
    for (size_t i = connections.size(); i-- > 0;)
      if (connections[i]->isBroken) connections.erase(connections.begin() + ptrdiff_t(i));
  }
}
