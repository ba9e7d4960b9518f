using System.Runtime.InteropServices;

namespace UserSvc.AppHost.Processes;

/// <summary>POSIX signals and ownership, which the framework does not offer.</summary>
internal static class Signals
{
    public const int Interrupt = 2;
    public const int Quit = 3;
    public const int Kill = 9;
    public const int Terminate = 15;

    /// <summary>SIGSTOP, which no process can refuse.</summary>
    public static readonly int Stop = OperatingSystem.IsMacOS() ? 17 : 19;

    /// <summary>SIGCONT: a stopped process goes on.</summary>
    public static readonly int Continue = OperatingSystem.IsMacOS() ? 19 : 18;

    /// <summary>False when there is no such process (any more), or it is somebody else's.</summary>
    public static bool Send(int processId, int signal) => SendSignal(processId, signal) == 0;

    public static void ChangeOwner(string path, SystemUser user)
    {
        if (SetOwner(path, user.UserId, user.GroupId) != 0)
        {
            throw new IOException($"{path} cannot be given to user {user.Name}: {Marshal.GetLastPInvokeErrorMessage()}");
        }
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static extern int SendSignal(int processId, int signal);

    [DllImport("libc", EntryPoint = "chown", SetLastError = true, CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    private static extern int SetOwner([MarshalAs(UnmanagedType.LPUTF8Str)] string path, uint user, uint group);
}
