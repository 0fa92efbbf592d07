import DemoSupport
import Glibc
import ModelFiles
import Tokens
import Wire

/// `custom-model-server`: an OpenAI-compatible server for a Llama model, whose weights are a GPUServeKit snapshot.
@main
struct ModelServerCommand {
    static let usage = """
        custom-model-server --model MODEL --listen 127.0.0.1:PORT
            MODEL is FILE.gguf, FILE.safetensors, or a folder with model.safetensors, config.json and tokenizer.json
            [--snapshot-store DIR]  keep a snapshot of the model here and start by restoring it
            [--name NAME]       the name that requests give; the file's name by default
            [--context N]       tokens of a sequence, answer included (2048)
            [--sequences N]     sequences in flight at once (4)
            [--device host|cuda|cuda:N]  where to compute; never tried on a GPU yet (host)
            [--threads N]       threads for the arithmetic (1)
            [--variants DIR]    LoRA adapters as PEFT writes them, a directory each; requests name them MODEL:NAME
            [--variant-budget MIB]  most memory of merged variants (256)
            [--adapter-base NAME]   what adapters call the model; its file's name up to the first dot by default
            [--admin-socket PATH]   a Unix socket for /state, /sleep, /wake, /snapshot, /resume
            [--while-asleep wake|refuse]  what a request to the sleeping model gets (wake)
        custom-model-server tokenize --model MODEL
            the tokens of each line of standard input, a JSON string, as a JSON array
        custom-model-server logits --model MODEL
            the logits after each line of standard input, a JSON array of tokens, as 32-bit floats
        """

    static func main() async {
        Signals.handle()
        do {
            var words = Array(CommandLine.arguments.dropFirst())
            if words.contains("--help") || words.isEmpty {
                print(usage)
                return
            }
            if ["tokenize", "logits"].contains(words[0]) {
                let command = words.removeFirst()
                let path = try Arguments(words, options: ["model"]).required("model")
                if command == "tokenize" { try await tokenize(path) } else { try await LogitsCommand.run(path) }
                return
            }
            try await ModelServer(try Arguments(words, options: ModelServer.options)).run()
        } catch {
            Console.note("\(error)")
            exit(error is UsageError ? 2 : 1)
        }
    }

    private static func tokenize(_ path: String) async throws {
        let bytes = try await ModelFiles(path: path).tables
        // The tables are words, so they lie where words do.
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 16)
        defer { memory.deallocate() }
        memory.copyBytes(from: bytes)
        let tokenizer = Tokenizer(tables: try TokenizerTables(UnsafeRawBufferPointer(memory)))
        while let line = readLine() {
            guard let text = try JSONValue.parse(Array(line.utf8)).string else {
                throw UsageError(message: "a line of standard input is no JSON string")
            }
            Console.say("[\(tokenizer.encode(text).map(String.init).joined(separator: ","))]")
        }
    }
}
