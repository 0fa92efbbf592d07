public import Foundation

/// Runs the Python halves of benchmarks.
public enum PythonScript {
    /// What `script` prints when `input` is written to its standard input, all of which it must read before it prints.
    public static func output(of script: URL, python: URL, input: Data) throws -> Data {
        let process = Process()
        process.executableURL = python
        process.arguments = [script.path]
        let (given, printed) = (Pipe(), Pipe())
        process.standardInput = given
        process.standardOutput = printed
        process.standardError = FileHandle.nullDevice
        try process.run()
        // The script reads all of its input before it prints, so writing first cannot dead-lock.
        try given.fileHandleForWriting.write(contentsOf: input)
        try given.fileHandleForWriting.close()
        let output = printed.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return output
    }
}
