/// Every bound of the package that protects against input from outside, in one table.
///
/// A bound belongs here when a stranger's bytes, or their number, could otherwise make the process grow or wait
/// without end. Units are in the names: `Bytes`, `Count`, `_ms`.
public struct Limits: Sendable, Hashable {
    /// The values used when nobody chose others.
    public static let standard = Limits()

    /// For a client that fetches megabytes an answer, as from an object store: few large reads in place of many small ones.
    public static let bulk: Limits = {
        var limits = Limits()
        limits.upstreamReadBytes = 256 * 1024
        limits.upstreamBufferBytes = 1024 * 1024
        return limits
    }()

    // MARK: Request head

    /// Longest request head, request line and final empty line included. More is answered with 431.
    public var requestHeadBytes = 64 * 1024
    /// Longest request target. More is answered with 414.
    public var targetBytes = 16 * 1024
    /// Most field lines in one head. More is answered with 431.
    public var fieldCount = 128

    // MARK: Bodies

    /// Longest request body, whatever its framing. More is answered with 413.
    public var bodyBytes = 32 * 1024 * 1024
    /// Longest chunk-size line, extensions included.
    public var chunkLineBytes = 256
    /// Most bytes of chunk extensions over one whole body: they carry nothing for us, so they are only a cost.
    public var chunkExtensionBytes = 16 * 1024
    /// Longest trailer section of a chunked body.
    public var trailerBytes = 8 * 1024

    // MARK: Server connections

    /// Most connections open at once over all loops of one server. Further ones are answered with 503.
    public var connectionCount = 8192
    /// Connections the kernel may hold before we accept them.
    public var listenBacklogCount = 1024
    /// Most connections accepted in one turn of a loop, so that a flood of them leaves time for requests.
    public var acceptsPerTurnCount = 64
    /// Most requests on one connection; 0 means no limit.
    public var requestsPerConnectionCount = 0
    /// Longest wait for a complete request head, from its first byte (or from the accept). Stops slowloris.
    public var headTimeout_ms = 10_000
    /// Longest wait for the next request on a kept connection.
    public var keepAliveIdle_ms = 75_000
    /// A body being read must bring `bodyProgressBytes` in each window of this length. Less is a body timeout.
    public var bodyProgress_ms = 30_000
    /// See `bodyProgress_ms`.
    public var bodyProgressBytes = 1024
    /// Longest time a client may take nothing of what is queued for it.
    public var writeStall_ms = 30_000
    /// Bytes queued for one slow reader above which `write` waits.
    public var outboundHighWaterBytes = 256 * 1024
    /// Silence after which the kernel asks whether a client's machine is still there (TCP keep-alive); it is given up after
    /// twice that time. At least a second.
    public var peerProbe_ms = 60_000
    /// Most unread request body that is read and dropped after the response to keep the connection.
    public var unreadBodyBytes = 256 * 1024
    /// Most bytes dropped while waiting for a client to read a last answer.
    public var lingerBytes = 1024 * 1024
    /// Longest wait for a client to read a last answer.
    public var linger_ms = 2_000
    /// Bytes moved for one connection before others get their turn.
    public var turnBytes = 512 * 1024
    /// Pipelined requests answered for one connection before others get their turn.
    public var turnRequestCount = 64
    /// How long aborted handlers get to unwind at the end of a drain before they are reported as stuck.
    public var abortGrace_ms = 1_000

    // MARK: Event streams

    /// Longest single server-sent event, its blank line included.
    public var sseEventBytes = 4 * 1024 * 1024
    /// Longest event that a stream remembers, to recognize the like of it; events of tokens have a few hundred bytes.
    public var sseShapeBytes = 2048

    // MARK: JSON

    /// Deepest nesting of arrays and objects.
    public var jsonDepth = 256
    /// Most members of a document's outermost object, which are remembered one by one.
    public var jsonMemberCount = 4096

    // MARK: Classification

    /// Most bytes of an ask that a classifier is shown; of a longer ask, head and tail.
    public var classifiedTextBytes = 2048
    /// Most bytes of one message's text that are decoded to find the ask in it; of a longer text, head and tail.
    public var askScanBytes = 128 * 1024

    // MARK: Upstream (each for one event loop)

    /// Longest response head, interim heads included.
    public var responseHeadBytes = 64 * 1024
    /// Most requests in flight at once, those waiting for a connection included. More fail with `tooManyTransfers`.
    public var upstreamTransferCount = 4096
    /// Most connections at once; more requests wait.
    public var upstreamConnectionCount = 2048
    /// Most connections at once to one host and port; more requests wait.
    public var upstreamConnectionPerHostCount = 1024
    /// Most connections kept open, idle ones included, for later requests.
    public var upstreamIdleConnectionCount = 256
    /// Longest time a connection is kept without a request.
    public var upstreamIdle_ms = 60_000
    /// Most URLs whose parsed form is remembered; beyond it all are forgotten and parsed again.
    public var upstreamRouteCount = 1024
    /// Host names looked up at once, each on a thread that ends with the work; more names wait.
    public var resolverThreadCount = 4
    /// Most host names whose addresses are remembered; the one that would expire first goes.
    public var resolvedHostCount = 256
    /// How long a host name's addresses are remembered. New connections use them; open ones never notice.
    public var resolvedHost_ms = 30_000
    /// How long after sending a request on a kept-alive connection that connection may die for the request to be sent
    /// again on a fresh one; 0 for never.
    public var upstreamResend_ms = 1000
    /// Most bytes of one response that wait for their consumer before the upstream is made to wait.
    public var upstreamBufferBytes = 128 * 1024
    /// Most bytes read from an upstream's socket at once.
    public var upstreamReadBytes = 16 * 1024

    // MARK: Relaying

    /// Most deployments asked for one request, over all candidates.
    public var upstreamAttemptCount = 4
    /// Longest answer that is taken in whole before the client sees its head, so that a failure inside it can still go
    /// elsewhere. Longer ones are streamed.
    public var heldAnswerBytes = 1024 * 1024
    /// Responses answers whose deployment is remembered for `previous_response_id`; the oldest goes first.
    public var responsePinCount = 65_536

    // MARK: Routing

    /// Most models in a pool.
    public var poolModelsCount = 1024
    /// Most deployments of one model.
    public var poolDeploymentsCount = 256
    /// Longest policy file.
    public var policyFileBytes = 4 * 1024 * 1024
    /// Most pools in a policy file, and most guarantees of one.
    public var policyPoolCount = 256
    /// Most receipts kept for `GET /v1/routes/{id}`; the oldest goes first.
    public var decisionStoreCount = 2048

    /// Most changed prompts that are tried to explain a choice.
    public var explainEditCount = 256
    /// Most bytes of changed prompts that are read to explain a choice; the first few edits are tried whatever their length.
    public var explainScanBytes = 64 * 1024 * 1024

    // MARK: Decision log

    /// Most bytes waiting for the log's writer; lines beyond it are dropped and counted.
    public var logQueueBytes = 8 * 1024 * 1024
    /// Most bytes of a prompt that are kept, when prompts are kept at all.
    public var logPromptBytes = 64 * 1024
    /// Longest line that a report reads; a longer one counts as damaged.
    public var logLineBytes = 4 * 1024 * 1024
    /// Most models, labels or clients that a report tells apart; the rest is summed up as "other".
    public var reportGroupsCount = 256

    // MARK: Outcomes

    /// Longest line of an outcome file; a longer one is left out and counted.
    public var outcomeLineBytes = 64 * 1024 * 1024
    /// Most rows of one outcome file: their ids are remembered to find duplicates.
    public var outcomeRowCount = 4_000_000
    /// Most models scored in one row.
    public var outcomeModelCount = 256
    /// Most faulty lines that are listed one by one; all are counted.
    public var outcomeFaultCount = 100
    /// Longest table of tiers.
    public var tierTableBytes = 4 * 1024 * 1024
    /// Longest weights file of the learned classifier.
    public var weightsBytes = 16 * 1024 * 1024
    /// Most bytes waiting for the writer of one's own outcomes; rows beyond it are dropped and counted.
    public var outcomeQueueBytes = 4 * 1024 * 1024
    /// Length at which the file of one's own outcomes is moved to `FILE.1`, over the one before: half of what is kept.
    public var outcomeFileBytes = 256 * 1024 * 1024
    /// Latest answered requests that feedback is taken for; the oldest goes first.
    public var feedbackAskCount = 2048
    /// Longest body of a feedback.
    public var feedbackBodyBytes = 4096
    /// Most shadow comparisons at once.
    public var shadowCount = 4
    /// Most shadow comparisons that wait for their turn; more are dropped and counted.
    public var shadowQueueCount = 64
    /// Longest request body that is sent again for a shadow comparison.
    public var shadowBodyBytes = 256 * 1024
    /// Longest wait for one model's answer in a shadow comparison.
    public var shadowTimeout_ms = 120_000
    /// Most bytes of each answer that a judging model is shown: the last ones.
    public var judgedAnswerBytes = 16 * 1024

    // MARK: Devices (each for one context)

    /// Most streams alive at once.
    public var deviceStreamCount = 64
    /// Most modules loaded at once.
    public var deviceModuleCount = 256
    /// Longest module image.
    public var deviceModuleBytes = 512 * 1024 * 1024
    /// Most work of one stream that is submitted and not yet known to have finished.
    public var deviceInFlightCount = 8192
    /// Most tasks waiting for a staging slot or for a completion.
    public var deviceWaiterCount = 4096
    /// Most pinned host memory of a staging pool.
    public var deviceStagingBytes = 8 * 1024 * 1024 * 1024
    /// Most contexts of one context pool.
    public var devicePoolContextCount = 64
    /// Most tasks waiting for a context of one context pool.
    public var devicePoolWaiterCount = 1024

    // MARK: Ledger

    /// Longest line of the ledger.
    public var ledgerLineBytes = 16 * 1024
    /// Length at which a new ledger file is begun.
    public var ledgerFileBytes = 64 * 1024 * 1024
    /// Most records that wait for a disk that takes none; more are refused.
    public var ledgerBacklogCount = 16_384
    /// Most records made durable by one write.
    public var ledgerBatchCount = 1024
    /// Latest ids that a second record is recognized by.
    public var ledgerRememberedCount = 65_536
    /// Wait before a failed write is tried again.
    public var ledgerRetry_ms = 250
    /// Longest stretch of time that is one record: what a killed daemon does not bill.
    public var residencyPiece_ms = 60_000
    /// Most keys of clients, revoked ones too.
    public var clientKeyCount = 10_000
    /// Most lines of one bill.
    public var billLineCount = 1_000_000

    // MARK: Snapshots

    /// Longest manifest of a snapshot: about two million chunks, or 8 TiB.
    public var manifestBytes = 256 * 1024 * 1024
    /// Chunks of the manifests that a restorer keeps parsed between restores, about 300 bytes each; one manifest is kept anyway.
    public var rememberedChunkCount = 16_384
    /// Longest chunk of a snapshot.
    public var chunkBytes = 64 * 1024 * 1024
    /// Longest name of a snapshot, region, module or fact.
    public var snapshotNameBytes = 1024
    /// Most tensors of a model file.
    public var tensorCount = 1_000_000
    /// Most dimensions of a tensor.
    public var tensorRank = 16
    /// Longest header of a model file (safetensors, GGUF): names, shapes and vocabularies.
    public var modelHeaderBytes = 256 * 1024 * 1024
    /// Longest configuration of a model or an adapter.
    public var modelConfigBytes = 1024 * 1024
    /// Longest vocabulary in a file of its own (`tokenizer.json`), and longest list of a model's files.
    public var tokenizerFileBytes = 64 * 1024 * 1024
    /// Length at which a directory store begins a new pack: what the next upload may have to read again after a writer was
    /// killed.
    public var packBytes = 512 * 1024 * 1024
    /// Longest wait for another process that collects a store's garbage, or writes while we want to.
    public var storeLock_ms = 30_000
    /// Length above which an object is sent and fetched in parts at once.
    public var objectPartBytes = 8 * 1024 * 1024
    /// Most tries of one request to an object store.
    public var objectAttemptCount = 5
    /// Longest pause between two of them.
    public var objectRetry_ms = 5_000

    // MARK: Serving

    /// Most deployments of one daemon.
    public var deploymentCount = 1024
    /// Most jobs that wait or run at once.
    public var jobCount = 64
    /// Jobs that are remembered with what they printed; the oldest that have ended are forgotten.
    public var jobKeptCount = 256
    /// Longest wait of a job for memory.
    public var jobWait_ms = 3_600_000
    /// Most requests that wait for one deployment. More are answered with 503.
    public var heldRequestCount = 4096
    /// Most bytes of bodies of requests that wait for one deployment. More are answered with 503.
    public var heldRequestBytes = 256 * 1024 * 1024
    /// Longest wait of a request for a deployment; its client may ask for less.
    public var heldRequest_ms = 600_000
    /// Most requests in flight at one engine; more wait.
    public var replicaInFlightCount = 1024
    /// Length at which an engine's log is cut to its last quarter.
    public var engineLogBytes = 16 * 1024 * 1024
    /// Longest answer that is read of an engine's own interface and of a canary.
    public var engineAnswerBytes = 256 * 1024
    /// How long a replica that has become ready keeps its memory at least when another deployment wants it, so that several
    /// which do not fit together take turns.
    public var memoryStay_ms = 2_000
    /// Longest `config.json` or index of a model.
    public var modelIndexBytes = 64 * 1024 * 1024
    /// How long an engine that is asked to end gets before it is made to.
    public var engineGrace_ms = 5_000
    /// How long an engine that is taken off its devices may still work on them.
    public var deviceLock_ms = 10_000
    /// How long the kernel gets to end an engine that was killed, before it is left to it.
    public var engineKill_ms = 10_000
    /// How long requests in flight get when their deployment is stopped or removed, before they are cut off.
    public var stopDrain_ms = 10_000
    /// How long requests in flight get before an image that was asked for is given up.
    public var snapshotDrain_ms = 60_000
    /// Longest wait for an engine to wake from a tier that keeps its process, and for a canary then.
    public var engineWake_ms = 60_000

    /// The standard values.
    public init() {}
}
