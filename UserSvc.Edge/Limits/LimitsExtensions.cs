using UserSvc.Edge.Configuration;

namespace UserSvc.Edge.Limits;

/// <summary>What one client may take from the others.</summary>
internal static class LimitsExtensions
{
    public static void AddLimits(this IHostApplicationBuilder builder)
    {
        builder.Services.AddKnownOptions<RequestBufferOptions>(RequestBufferOptions.Section)
            .Validate(o => o.IsValid(), $"{RequestBufferOptions.Section}:MaxBytes must be between 1048576 (1 MiB) and 68719476736 (64 GiB).");
        builder.Services.AddSingleton<RequestBufferBudget>();
    }
}
