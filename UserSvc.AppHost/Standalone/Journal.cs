namespace UserSvc.AppHost.Standalone;

/// <summary>One output for all processes, each line with its resource's name.</summary>
internal sealed class Journal(TextWriter output)
{
    // Of the longest name, usersvc-20-sidecar.
    private const int NameWidth = 18;

    private readonly Lock _writing = new();

    public void Write(string name, string line)
    {
        lock (_writing)
        {
            output.WriteLine($"{name.PadRight(NameWidth)} | {line}");
        }
    }
}
