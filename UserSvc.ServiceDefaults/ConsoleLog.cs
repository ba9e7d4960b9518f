using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace UserSvc.ServiceDefaults;

internal static class ConsoleLog
{
    /// <summary>Text for people; in a container JSON for what collects it.</summary>
    public static void AddConsoleLog(this IHostApplicationBuilder builder)
    {
        builder.Logging.AddConsoleFormatter<JsonLines, ConsoleFormatterOptions>();
        builder.Logging.AddConsole(console =>
        {
            // A log that nobody reads must not stop a thread that serves sockets.
            console.QueueFullMode = ConsoleLoggerQueueFullMode.DropWrite;
            // Microsoft's base images set it. A developer in a dev container reads text.
            if (!builder.Environment.IsDevelopment() && bool.TryParse(builder.Configuration["DOTNET_RUNNING_IN_CONTAINER"], out var container) && container)
            {
                console.FormatterName = JsonLines.FormatterName;
            }
        });
    }
}
