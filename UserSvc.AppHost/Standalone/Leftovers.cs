using System.Diagnostics;
using System.Globalization;
using UserSvc.AppHost.Processes;

namespace UserSvc.AppHost.Standalone;

/// <summary>
/// A note of every running child, so that the launcher after one that was killed ends what that one left running. A file a process,
/// named by its id; it holds the moment of the start, which tells the process from a later one with the same id.
/// </summary>
internal sealed class Leftovers(string folder)
{
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(3);

    // The system derives a start from clock ticks since boot: read twice, it may differ a little.
    private static readonly TimeSpan ClockError = TimeSpan.FromSeconds(2);

    public void Add(Process process)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(FileOf(process.Id), process.StartTime.ToUniversalTime().ToString("O", CultureInfo.InvariantCulture));
    }

    public void Remove(Process process) => File.Delete(FileOf(process.Id));

    public Task EndAsync(Action<string> log) =>
        Task.WhenAll((Directory.Exists(folder) ? Directory.GetFiles(folder) : []).Select(file => EndAsync(file, log)));

    private static async Task EndAsync(string file, Action<string> log)
    {
        using (var process = Find(file))
        {
            if (process is not null)
            {
                log($"stopping {process.ProcessName} {process.Id}, left behind by an earlier launcher");
                await process.EndAsync(Grace);
            }
        }

        File.Delete(file);
    }

    private static Process? Find(string file)
    {
        try
        {
            var process = Process.GetProcessById(int.Parse(Path.GetFileName(file), CultureInfo.InvariantCulture));
            var started = DateTime.Parse(File.ReadAllText(file), CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind);
            if ((process.StartTime.ToUniversalTime() - started).Duration() < ClockError)
            {
                return process;
            }

            process.Dispose();
        }
        catch (Exception failure) when (failure is ArgumentException or FormatException or InvalidOperationException)
        {
            // No such process, or a note cut off while it was written.
        }

        return null;
    }

    private string FileOf(int id) => Path.Combine(folder, id.ToString(CultureInfo.InvariantCulture));
}
