using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace UserSvc.ServiceDefaults;

/// <summary>Runs a service from its start to its exit code.</summary>
public static class ServiceProgram
{
    /// <param name="build">Builds the service.</param>
    /// <param name="error">Gets one line for each mistake of an operator that prevents the start.</param>
    /// <returns>The exit code: 0 after SIGTERM, also during the start; 1 after a mistake.</returns>
    public static async Task<int> RunAsync(Func<WebApplication> build, TextWriter error)
    {
        WebApplication? app = null;
        var started = false;
        try
        {
            app = build();
            await app.StartAsync();
            started = true;
        }
        catch (OperationCanceledException) when (app?.Lifetime.ApplicationStopping.IsCancellationRequested == true)
        {
            // SIGTERM, or ServiceExit, before the start was complete.
        }
        catch (Exception failure) when (StartFailure.Explain(failure) is { } explanation)
        {
            await error.WriteLineAsync(explanation);
            return 1;
        }

        var exit = app.Services.GetRequiredService<ServiceExit>();
        await using (app)
        {
            if (started)
            {
                await app.WaitForShutdownAsync();
                // The last connection may have ended on a socket's thread. Telemetry's last export, below, blocks until sockets have sent it.
                await Task.Yield();
            }
        }

        if (exit.Mistake is { } mistake)
        {
            await error.WriteLineAsync(mistake);
        }

        return exit.Code;
    }
}

/// <summary>Ends a service that has started, but will never serve: without a drain.</summary>
public sealed class ServiceExit(IHostApplicationLifetime lifetime)
{
    public bool Requested { get; private set; }

    public int Code { get; private set; }

    /// <summary>What an operator must change.</summary>
    public string? Mistake { get; private set; }

    public void Succeed() => End(0, null);

    public void Fail(string? mistake) => End(1, mistake);

    private void End(int code, string? mistake)
    {
        (Requested, Code, Mistake) = (true, code, mistake);
        lifetime.StopApplication();
    }
}
