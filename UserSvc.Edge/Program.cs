using UserSvc.Edge.Admin;
using UserSvc.Edge.Configuration;
using UserSvc.Edge.Forwarding;
using UserSvc.Edge.Listeners;
using UserSvc.ServiceDefaults;

namespace UserSvc.Edge;

internal static class Program
{
    private static async Task<int> Main(string[] args)
    {
        CompleteSocketsInline();
        WebApplication edge;
        try
        {
            edge = Build(args);
            await edge.StartAsync();
        }
        catch (Exception failure) when (StartFailure.Explain(failure) is { } explanation)
        {
            await Console.Error.WriteLineAsync(explanation);
            return 1;
        }

        await using (edge)
        {
            await edge.WaitForShutdownAsync();
            return 0;
        }
    }

    // What follows a read of an upstream's socket runs on the thread that learned of it, not on another that is woken for it: nothing here
    // blocks. The runtime has no other way to say so, and asks once, at the first socket.
    private static void CompleteSocketsInline()
    {
        const string Setting = "DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS";
        Environment.SetEnvironmentVariable(Setting, Environment.GetEnvironmentVariable(Setting) ?? "1");
    }

    /// <summary>The whole proxy, not started: tests run it in their own process, on ports of their own and by their own clock.</summary>
    /// <exception cref="InvalidConfigurationException">It cannot be started with this configuration.</exception>
    public static WebApplication Build(string[] args, TimeProvider? time = null)
    {
        var builder = WebApplication.CreateBuilder([ConfigurationFiles.Unwatched, .. args]);
        var files = builder.AddCheckedConfiguration();
        builder.Services.AddSingleton(time ?? TimeProvider.System);
        builder.AddServiceDefaults(builder.Configuration.ServiceName(), ClientOptions.TrustsSampling(builder.Configuration));
        builder.AddListeners();
        builder.AddForwarding();
        builder.AddAdmin();

        var app = builder.BuildChecked(files);
        app.UseServiceDefaults();
        app.UseListenerStatistics();
        app.UseRequestId();
        app.UseExceptionProblems();
        app.UseAdminGuard();
        app.UseRequestHygiene();
        app.UseHttpsPolicy();
        app.UseRouting();
        app.UseStatusProblems();

        app.MapAdmin();
        app.MapForwarding().ServedOn(Listener.Public);
        return app;
    }
}
