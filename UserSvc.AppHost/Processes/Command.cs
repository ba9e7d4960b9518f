using System.ComponentModel;
using System.Diagnostics;

namespace UserSvc.AppHost.Processes;

internal sealed record CommandResult(int ExitCode, string Output, string Error)
{
    public bool Succeeded => ExitCode == 0;
}

internal static class Command
{
    private static readonly string? SetSid = OnPath("setsid");

    public static string? OnPath(string name) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Select(folder => Path.Combine(folder, name))
            .FirstOrDefault(File.Exists);

    /// <summary>
    /// Describes a child in its own session: Ctrl-C in a terminal then reaches only the AppHost, which stops its parts in order. Without setsid
    /// (macOS) the child gets the signal too and stops earlier, just as cleanly.
    /// </summary>
    public static ProcessStartInfo InOwnSession(IReadOnlyList<string> command) => Describe(SetSid is null ? command : [SetSid, .. command]);

    /// <summary>Runs a command to its end.</summary>
    /// <exception cref="TimeoutException">It ran too long and was killed.</exception>
    public static async Task<CommandResult> RunAsync(
        IReadOnlyList<string> command, TimeSpan timeout, CancellationToken cancellationToken, params IEnumerable<(string Name, string Value)> environment)
    {
        var start = Describe(command);
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        using var process = Start(start);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(timeout);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(limit.Token);
            var error = process.StandardError.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            return new(process.ExitCode, (await output).Trim(), (await error).Trim());
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            cancellationToken.ThrowIfCancellationRequested();
            throw new TimeoutException($"'{string.Join(' ', command)}' did not end within {timeout.TotalSeconds:0} s.");
        }
    }

    public static Process Start(ProcessStartInfo start)
    {
        try
        {
            var process = Process.Start(start)!;
            process.StandardInput.Close();
            return process;
        }
        catch (Win32Exception failure)
        {
            throw new InvalidOperationException($"'{start.FileName}' cannot be started: {failure.Message}", failure);
        }
    }

    private static ProcessStartInfo Describe(IReadOnlyList<string> command) => new(command[0], command.Skip(1))
    {
        RedirectStandardInput = true,
        RedirectStandardOutput = true,
        RedirectStandardError = true,
        UseShellExecute = false,
    };
}
